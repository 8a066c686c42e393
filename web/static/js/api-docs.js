// The API reference, from the address in the page. Requests made from it go to this site only.
const box = document.getElementById("api-docs");

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
