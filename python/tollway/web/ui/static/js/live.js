// Parts of a page that ask every second whether they changed: not while nobody looks, and never losing
// what their reader opened.
(function () {
  "use strict";
  var open = [];

  function summaries(part) { return Array.prototype.slice.call(part.querySelectorAll("details")); }

  document.addEventListener("htmx:beforeRequest", function (event) {
    if (event.target.hasAttribute("data-live") && document.hidden) event.preventDefault();
  });
  document.addEventListener("htmx:beforeSwap", function (event) {
    if (!event.target.hasAttribute("data-live")) return;
    if (event.detail.xhr.status >= 400) { event.detail.shouldSwap = false; return; }
    open = summaries(event.target).map(function (one) { return one.open; });
  });
  document.addEventListener("htmx:afterSwap", function () {
    var part = document.querySelector("[data-live]");
    if (!part) return;
    summaries(part).forEach(function (one, at) { if (open[at]) one.open = true; });
  });
})();
