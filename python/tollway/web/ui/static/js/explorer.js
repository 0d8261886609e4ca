// Loads Swagger UI when asked to, and sends its calls through this site: it has no key, and needs none.
(function () {
  "use strict";

  function load(place) {
    var style = document.createElement("link");
    style.rel = "stylesheet";
    style.href = place.dataset.style;
    document.head.appendChild(style);
    var script = document.createElement("script");
    script.src = place.dataset.script;
    script.onload = function () { start(place); };
    script.onerror = function () { place.textContent = "It could not be loaded. Reload the page and try again."; };
    document.head.appendChild(script);
  }

  function through(place) {
    return function (request) {
      if (request.loadSpec) return request;
      var whole = new URL(request.url, location.href);
      var passed = JSON.stringify({
        method: request.method,
        target: whole.pathname + whole.search,
        headers: request.headers,
        body: typeof request.body === "string" ? request.body : null
      });
      request.url = new URL("/try/api", location.href).href;
      request.method = "POST";
      request.headers = { "Content-Type": "application/json", "X-CSRF-Token": place.dataset.token };
      request.body = passed;
      return request;
    };
  }

  // What Swagger UI leaves unsaid to those who don't see the page: it takes itself for a whole page.
  function tell(place) {
    var main = place.querySelector("main");
    if (main) main.setAttribute("aria-label", "Operations");
    var servers = place.querySelector("#servers");
    if (servers) servers.setAttribute("aria-label", "Server");
  }

  function start(place) {
    var signed = "signed" in place.dataset;
    var all = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
    SwaggerUIBundle({
      url: place.dataset.document,
      domNode: place,
      deepLinking: false,
      docExpansion: "list",
      validatorUrl: null,
      showMutatedRequest: false,
      supportedSubmitMethods: signed ? all : [],
      requestInterceptor: through(place),
      onComplete: function () { tell(place); }
    });
  }

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-load-explorer]");
    if (!button) return;
    button.disabled = true;
    load(document.getElementById("swagger"));
  });
})();
