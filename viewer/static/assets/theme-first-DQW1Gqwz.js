// Runs before the first paint: a stored choice wins over the system's.
(function () {
  try {
    var theme = localStorage.getItem("flightlog.theme");
    if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
  } catch (e) {
    // Storage is switched off: the page follows the system.
  }
})();
