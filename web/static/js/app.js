// What every page gets. Each part looks for its own data attributes and leaves the rest alone, so it also works on
// content that htmx swaps in later. Nothing here is needed to use the site: it only makes it quicker.
import { enhanceCopy } from "./copy.js";
import { enhanceClauses } from "./clause.js";
import { enhanceForms } from "./forms.js";
import { enhanceOffline } from "./install.js";
import { followLive } from "./live.js";
import { enhanceMenus } from "./menus.js";
import { enhancePrint } from "./print.js";
import { enhanceSearch } from "./search.js";
import { enhanceTheme } from "./theme.js";

const parts = [enhanceCopy, enhanceClauses, enhanceForms, enhanceMenus, enhancePrint, enhanceSearch, enhanceTheme];

function enhance(root) {
  for (const part of parts) part(root);
}

enhance(document);
enhanceOffline();
followLive(document, enhance);
document.addEventListener("htmx:after:swap", (event) => enhance(event.target instanceof Element ? event.target : document));

// htmx is loaded only where a page asks for it: most pages are plain links and forms.
if (document.querySelector("[hx-get],[hx-post],[hx-trigger]")) {
  await import("../vendor/htmx/htmx.js");
}
