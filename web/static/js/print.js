// [data-print]: a button that prints the page. Hidden in the HTML: without script the browser's own menu does it.
import { fresh } from "./dom.js";

export function enhancePrint(root) {
  for (const button of fresh(root, "[data-print]", "Print")) {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  }
}
