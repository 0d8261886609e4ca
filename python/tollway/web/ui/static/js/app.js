// Loaded in the head, before anything is painted: a reader's own choice of light or dark must not flash.
(function () {
  "use strict";
  var root = document.documentElement;
  var stored = null;
  try { stored = localStorage.getItem("theme"); } catch (refused) { /* without storage the system decides */ }
  if (stored === "dark" || stored === "light") root.dataset.theme = stored;
  root.classList.add("js");

  function theme() {
    return root.dataset.theme || (matchMedia("(prefers-color-scheme:dark)").matches ? "dark" : "light");
  }

  function switchTheme() {
    root.dataset.theme = theme() === "dark" ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch (refused) { /* for this page only */ }
  }

  function say(button, text) {
    var label = button.querySelector("[data-label]") || button;
    var before = label.textContent;
    label.textContent = text;
    setTimeout(function () { label.textContent = before; }, 2000);
  }

  function copy(button) {
    var source = document.querySelector(button.dataset.copy);
    if (!source) return;
    navigator.clipboard.writeText(source.textContent).then(
      function () { say(button, "Copied"); },
      function () {
        // Without permission: mark it, so that one key press copies it.
        getSelection().selectAllChildren(source);
        say(button, "Press Ctrl+C");
      });
  }

  document.addEventListener("click", function (event) {
    var button = event.target.closest("button");
    if (!button) return;
    if (button.hasAttribute("data-theme-toggle")) switchTheme();
    if (button.hasAttribute("data-copy")) copy(button);
    if (button.hasAttribute("data-dismiss")) button.closest("[data-dismissable]").remove();
  });

  // A second click would send a form twice.
  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (form.dataset.sent) { event.preventDefault(); return; }
    if (form.method === "post" && !form.hasAttribute("hx-post")) form.dataset.sent = "1";
  });
  // Coming back to a page with "back" finds it as it was left, sent forms included.
  addEventListener("pageshow", function (event) {
    if (!event.persisted) return;
    document.querySelectorAll("form[data-sent]").forEach(function (form) { delete form.dataset.sent; });
  });
})();
