// Shows the gateway's own OpenAPI document; what is tried out is a call to this gateway.
const isDark = matchMedia("(prefers-color-scheme: dark)");
const followScheme = () => document.documentElement.classList.toggle("dark-mode", isDark.matches);
isDark.addEventListener("change", followScheme);
followScheme();

window.SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  // The document is checked by our tests; nothing is sent to a validator elsewhere.
  validatorUrl: null,
});
