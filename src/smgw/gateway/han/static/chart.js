// Shows the values of one slot of the day chart: under the pointer, or stepped to with the arrow keys.
for (const plot of document.querySelectorAll("[data-chart]")) {
  const slots = [...plot.querySelectorAll(".slot")];
  const readout = plot.parentElement.querySelector("[data-readout]");
  let current = -1;

  const show = (index) => {
    slots[current]?.classList.remove("is-current");
    current = Math.max(0, Math.min(slots.length - 1, index));
    const text = slots[current].dataset.text;
    slots[current].classList.add("is-current");
    readout.textContent = text;
    plot.setAttribute("aria-valuenow", String(current + 1));
    plot.setAttribute("aria-valuetext", text);
  };

  plot.tabIndex = 0;
  plot.setAttribute("role", "slider");
  plot.setAttribute("aria-label", plot.dataset.label);
  plot.setAttribute("aria-valuemin", "1");
  plot.setAttribute("aria-valuemax", String(slots.length));
  plot.setAttribute("aria-valuenow", "1");
  plot.setAttribute("aria-valuetext", readout.textContent);

  const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 4, PageDown: -4 };
  plot.addEventListener("keydown", (event) => {
    if (event.key === "Home") show(0);
    else if (event.key === "End") show(slots.length - 1);
    else if (event.key in steps) show(current + steps[event.key]);
    else return;
    event.preventDefault();
  });
  const follow = (event) => {
    const index = slots.indexOf(event.target);
    if (index >= 0 && index !== current) show(index);
  };
  plot.addEventListener("pointermove", follow);
  plot.addEventListener("pointerdown", follow);
}
