"use strict";
const seen = new Map();
for (const box of document.querySelectorAll(".filtered")) {
  const bar = box.querySelector(".search");
  const words = bar.querySelector("input"), cause = bar.querySelector("select"), told = bar.querySelector("output");
  const rows = [...box.querySelectorAll("tbody > tr")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const show = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    rows.forEach((row, i) => {
      const fits = wanted.every((word) => texts[i].includes(word)) && (!cause || !cause.value || row.dataset.cause === cause.value);
      row.classList.toggle("apart", !fits);
    });
    const left = rows.filter((row) => getComputedStyle(row).display !== "none").length;
    told.value = wanted.length || (cause && cause.value) ? left + (left === 1 ? " example" : " examples") : "";
  };
  box.addEventListener("input", show);
  bar.hidden = false;
  seen.set(box, () => { words.value = ""; if (cause) cause.value = ""; const all = box.querySelector(".show-all"); if (all) all.checked = true; show(); });
}
const reveal = () => {
  const row = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!row) return;
  for (let above = row.parentElement; above; above = above.parentElement) if (above.tagName === "DETAILS") above.open = true;
  const clear = seen.get(row.closest(".filtered"));
  if (clear && getComputedStyle(row).display === "none") clear();
  row.scrollIntoView();
};
addEventListener("hashchange", reveal);
reveal();
