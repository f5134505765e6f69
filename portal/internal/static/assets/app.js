// Small comforts. Every page works without this file.
(() => {
  "use strict";
  const reveal = root => root.querySelectorAll("[data-copy][hidden]").forEach(b => { b.hidden = false; });

  document.addEventListener("click", e => {
    const copy = e.target.closest("[data-copy]");
    if (copy) {
      navigator.clipboard?.writeText(copy.dataset.copy).then(() => {
        const was = copy.textContent;
        copy.textContent = "Copied";
        setTimeout(() => { copy.textContent = was; }, 1600);
      });
    }
    // A menu closes when something else is clicked.
    document.querySelectorAll("details.menu[open], details.tip[open], details.confirm[open]").forEach(d => {
      if (!d.contains(e.target)) d.open = false;
    });
  });

  document.addEventListener("keydown", e => {
    if (e.key === "Escape") {
      document.querySelectorAll("details.menu[open], details.tip[open], details.confirm[open]").forEach(d => {
        d.open = false;
        d.querySelector("summary").focus();
      });
    }
    const typing = e.target.closest("input, textarea, select, [contenteditable]");
    if (e.key === "/" && !typing && !e.ctrlKey && !e.metaKey) {
      const find = document.getElementById("find");
      if (find) { e.preventDefault(); find.focus(); }
    }
  });

  // Filling in a field makes the choice that the field belongs to, and a choice
  // opens the fields that it needs. The server refuses what disagrees.
  const pick = (form, choice) => {
    const [name, value] = choice.split("=");
    form.querySelectorAll(`[name="${name}"]`).forEach(f => {
      if (f.type !== "radio") f.value = value;
      else if (f.value === value) f.checked = true;
    });
  };
  const filled = f => f.type === "checkbox" ? f.checked : f.value !== "";
  document.addEventListener("input", e => {
    const choice = e.target.closest("[data-chooses]");
    if (choice && e.target.form && e.target.type !== "radio" && filled(e.target)) pick(e.target.form, choice.dataset.chooses);
  });

  // Fields that only some choices have are shown with those: data-only and
  // data-except hold the name of a select and the choices. What is hidden is not
  // sent. Without this script all are there, and say whom they are for.
  const fit = form => form.querySelectorAll("[data-only], [data-except]").forEach(part => {
    const only = part.dataset.only !== undefined;
    const [name, choices] = (only ? part.dataset.only : part.dataset.except).split("=");
    const shown = choices.split(" ").includes(form.elements[name]?.value) === only;
    part.hidden = !shown;
    part.querySelectorAll("input, select, textarea").forEach(f => { f.disabled = !shown; });
  });
  const fitAll = root => root.querySelectorAll("form").forEach(fit);
  document.addEventListener("change", e => { if (e.target.form) fit(e.target.form); });

  // A search hides what does not fit while one types; the server searches all.
  document.addEventListener("input", e => {
    const list = e.target.dataset.filter;
    if (!list) return;
    const want = e.target.value.trim().toLowerCase();
    document.querySelectorAll(`[data-testid="${list}"] tbody tr`).forEach(r => {
      r.hidden = !r.textContent.toLowerCase().includes(want);
    });
  });

  document.addEventListener("change", e => {
    if (e.target.matches("[data-submit]")) e.target.form.requestSubmit();
    if (e.target.type === "radio") {
      const opens = e.target.form?.querySelector(`[data-opens="${e.target.name}=${e.target.value}"]`);
      if (opens) opens.open = true;
    }
  });

  // A form is sent once, however often its button is pressed.
  document.addEventListener("submit", e => {
    if (e.target.method !== "post" || e.defaultPrevented) return;
    if (e.target.dataset.sent) { e.preventDefault(); return; }
    e.target.dataset.sent = "1";
  });
  addEventListener("pageshow", () => fitAll(document));
  addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach(f => delete f.dataset.sent));

  // The values of a bar under the pointer, in place of the browser's slow tooltip.
  let tip;
  const place = (e, bar) => {
    if (!tip) {
      tip = document.createElement("div");
      tip.className = "chart-tip";
      tip.setAttribute("aria-hidden", "true");
      document.body.append(tip);
    }
    const title = bar.querySelector("title");
    if (title) { bar.dataset.tip = title.textContent; title.remove(); }
    tip.textContent = bar.dataset.tip;
    tip.hidden = false;
    const w = tip.offsetWidth, left = e.clientX + 14 + w > innerWidth ? e.clientX - w - 14 : e.clientX + 14;
    tip.style.left = Math.max(4, left) + "px";
    tip.style.top = Math.max(4, e.clientY - tip.offsetHeight - 10) + "px";
  };
  document.addEventListener("pointermove", e => {
    const bar = e.target.closest?.(".bar");
    if (bar) place(e, bar);
    else if (tip) tip.hidden = true;
  });

  // Live parts rest while somebody reads in them, and while nobody looks.
  document.addEventListener("htmx:before:request", e => {
    const live = e.target.closest?.(".live");
    if (live && (document.hidden || live.querySelector("details[open], .bar:hover, :focus-visible"))) e.preventDefault();
  });
  document.addEventListener("stale", () => { document.body.dataset.stale = "1"; });
  document.addEventListener("htmx:after:swap", () => { delete document.body.dataset.stale; });

  reveal(document);
  fitAll(document);
  document.addEventListener("htmx:after:swap", () => { reveal(document); fitAll(document); });
})();
