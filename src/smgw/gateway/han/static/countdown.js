// Counts down to the moment at which the self-test may be started again.
for (const button of document.querySelectorAll("[data-countdown]")) {
  const note = button.parentElement.querySelector("[data-countdown-text]");
  const end = performance.now() + Number(button.dataset.countdown) * 1000;
  const tick = () => {
    const rest = Math.ceil((end - performance.now()) / 1000);
    button.disabled = rest > 0;
    note.textContent = rest > 0 ? note.dataset.countdownText.replace("%", String(rest)) : "";
    if (rest > 0) setTimeout(tick, 1000);
  };
  tick();
}
