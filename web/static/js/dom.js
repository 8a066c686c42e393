// Small helpers shared by the other modules.

/** Every element under root (root included) that matches and has not been taken by this name before. */
export function fresh(root, selector, name) {
  const mark = `enhanced${name}`;
  const own = root instanceof Element && root.matches(selector) ? [root] : [];
  return [...own, ...root.querySelectorAll(selector)].filter((element) => {
    if (element.dataset[mark]) return false;
    element.dataset[mark] = "yes";
    return true;
  });
}

let timer = 0;

/** Says something short to everybody, screen readers included, and takes it away again. */
export function announce(words) {
  const live = document.getElementById("live");
  if (!live) return;
  live.textContent = words;
  clearTimeout(timer);
  timer = setTimeout(() => { live.textContent = ""; }, 2500);
}

/** An icon of the sprite; its address is taken from one that the page already shows. */
export function icon(name) {
  const shown = document.querySelector("svg.icon use");
  const sprite = (shown?.getAttribute("href") ?? "").split("#")[0];
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${sprite}#${name}`);
  svg.append(use);
  return svg;
}
