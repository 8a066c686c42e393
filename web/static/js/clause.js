// Clause badges open on click or tap without script (popover). With it they also open on hover and on focus.
import { fresh } from "./dom.js";

export function enhanceClauses(root) {
  for (const clause of fresh(root, "[data-clause]", "Clause")) {
    const button = clause.querySelector("button");
    const text = clause.querySelector("[popover]");
    if (!button || !text?.showPopover) continue;
    let timer = 0;
    const show = () => {
      clearTimeout(timer);
      // source makes the button the anchor, as popovertarget does.
      timer = setTimeout(() => { if (!text.matches(":popover-open")) text.showPopover({ source: button }); }, 120);
    };
    const hide = () => {
      clearTimeout(timer);
      timer = setTimeout(() => { if (text.matches(":popover-open")) text.hidePopover(); }, 160);
    };
    // Touch keeps the plain behaviour: a tap opens, another closes.
    const mouseOnly = (act) => (event) => { if (event.pointerType === "mouse") act(); };
    clause.addEventListener("pointerenter", mouseOnly(show));
    clause.addEventListener("pointerleave", mouseOnly(hide));
    button.addEventListener("focus", () => { if (button.matches(":focus-visible")) show(); });
    button.addEventListener("blur", hide);
  }
}
