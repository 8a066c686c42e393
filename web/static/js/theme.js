// The theme buttons do at once what their form does with a reload: set the cookie and the attribute.
import { announce, fresh } from "./dom.js";

const YEAR = 365 * 24 * 3600;

export function enhanceTheme(root) {
  for (const form of fresh(root, "form[data-theme-form]", "Theme")) {
    form.addEventListener("submit", (event) => {
      const theme = event.submitter?.value;
      if (!theme) return;
      event.preventDefault();
      const age = theme === "auto" ? 0 : YEAR;
      const secure = location.protocol === "https:" ? "; Secure" : "";
      document.cookie = `theme=${theme}; Path=/; Max-Age=${age}; SameSite=Lax${secure}`;
      if (theme === "auto") delete document.documentElement.dataset.bsTheme;
      else document.documentElement.dataset.bsTheme = theme;
      document.querySelector('meta[name="color-scheme"]').content = theme === "auto" ? "light dark" : theme;
      for (const button of document.querySelectorAll('button[name="theme"]')) {
        button.setAttribute("aria-pressed", String(button.value === theme));
      }
      document.dispatchEvent(new CustomEvent("backstock:theme"));
      announce({ auto: "Appearance follows your device", light: "Light", dark: "Dark" }[theme]);
    });
  }
}
