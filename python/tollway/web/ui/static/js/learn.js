// The public pages' few movements: the slider says what it stands for; a sent try-it form brings its answer into view.
(function () {
  "use strict";
  document.addEventListener("htmx:afterSwap", function (event) {
    var slider = document.querySelector("[data-calculator] .slider");
    var said = document.querySelector("[data-volume]");
    if (slider && said) slider.setAttribute("aria-valuetext", said.dataset.volume);
    var answer = event.target.id === "try" && document.getElementById("answer");
    if (answer) answer.scrollIntoView({ block: "nearest", behavior: "instant" });
  });
})();
