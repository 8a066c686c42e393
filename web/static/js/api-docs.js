// The API reference, from the address in the page. Requests made from it go to this site only.
const box = document.getElementById("api-docs");

// Swagger UI's own dark colours, by the rule of every other page: what was chosen here, or else what the device says.
const device = matchMedia("(prefers-color-scheme: dark)");
const colours = () => {
  const chosen = document.documentElement.dataset.bsTheme;
  document.documentElement.classList.toggle("dark-mode", chosen ? chosen === "dark" : device.matches);
};
colours();
device.addEventListener("change", colours);
document.addEventListener("backstock:theme", colours);

window.addEventListener("load", () => {
  window.SwaggerUIBundle({
    url: box.dataset.openapi,
    domNode: box,
    deepLinking: true,
    docExpansion: "none",
    defaultModelsExpandDepth: 0,
    validatorUrl: null,
    syntaxHighlight: { activated: false },
    tryItOutEnabled: false,
  });
});
