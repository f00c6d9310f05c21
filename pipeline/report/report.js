const field = document.querySelector("input[type=search]");
if (field) {
  const rows = [...document.querySelectorAll("[data-words]")], count = document.querySelector("#count");
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      row.hidden = !words.every(word => row.dataset.words.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    if (count) count.textContent = shown + " of " + rows.length;
  });
}
