// What the pages do beyond forms and links: copying, searching while one types,
// dropping files, filtering, and warning of what is not saved. Without this file
// they work all the same.
"use strict";
document.documentElement.classList.add("js");

document.addEventListener("DOMContentLoaded", () => {
  const $ = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const live = $("#live");
  const say = (text) => { // within the window that is open, since all else is silent then
    const region = $("dialog[open] [data-say]") || live;
    region.textContent = "";
    requestAnimationFrame(() => { region.textContent = text; });
  };

  // Copying. What was copied is said, and shown by the button for a moment.
  const select = (node) => { const range = document.createRange(); range.selectNodeContents(node); getSelection().removeAllRanges(); getSelection().addRange(range); };
  const copy = async (button) => {
    let source = null;
    let text = button.dataset.copy;
    if (button.dataset.copyFrom) source = document.getElementById(button.dataset.copyFrom);
    if ("copyFromSecret" in button.dataset) source = $("[data-secret]", button.closest("dialog"));
    if (source) text = source.textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      if (source) { select(source); say("Could not copy. It is selected: press Control C."); return; }
      const field = document.createElement("textarea");
      field.value = text; field.className = "unseen"; button.after(field); field.select();
      const done = document.execCommand("copy"); field.remove(); button.focus();
      if (!done) { say("Could not copy."); return; }
    }
    say(button.dataset.copied);
    const label = $("span", button), before = label && (button.dataset.before ||= label.textContent);
    if (label) label.textContent = "Copied";
    button.classList.add("done");
    clearTimeout(button.timer);
    button.timer = setTimeout(() => { button.classList.remove("done"); if (label) label.textContent = before; }, 2000);
  };

  // Parts of a page are fetched as the whole page, of which the part is taken: the
  // server knows one way to show it.
  const parse = (text) => new DOMParser().parseFromString(text, "text/html");

  // Searching while one types: the list alone is replaced, and the address follows.
  for (const form of all("form[data-search]")) {
    const results = document.getElementById(form.dataset.search);
    let timer, running;
    const search = async () => {
      const query = new URLSearchParams();
      for (const [name, value] of new FormData(form)) if (value !== "") query.set(name, value);
      const address = form.action + (query.size ? "?" + query : "");
      running?.abort();
      running = new AbortController();
      try {
        const answer = await fetch(address, { signal: running.signal, headers: { Accept: "text/html" } });
        const page = parse(await answer.text());
        const found = page.getElementById(form.dataset.search);
        if (!found) { location.assign(address); return; }
        results.replaceChildren(...found.childNodes);
        history.replaceState(null, "", address);
        say($("[data-live]", results)?.textContent || "");
      } catch (error) {
        if (error.name !== "AbortError") location.assign(address);
      }
    };
    form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(search, 200); });
    form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(timer); search(); });
  }

  // The form of a client.
  const form = $("form[data-guard]");
  const state = () => form && new URLSearchParams([...new FormData(form)].filter(([name, value]) => typeof value === "string" && !["tab", "do", "nonce", "days", "replace"].includes(name))).toString();
  let saved = form && ("dirty" in form.dataset ? null : state());
  let leaving = false;
  const dirty = () => form && !leaving && state() !== saved;
  const mark = () => { const sign = form && $("[data-unsaved]", form); if (sign) sign.hidden = !dirty(); };
  if (form) {
    mark();
    form.addEventListener("input", mark);
    form.addEventListener("change", () => { mark(); summarize(); });
    form.addEventListener("submit", () => { leaving = true; });
    addEventListener("beforeunload", (event) => { if (dirty()) event.preventDefault(); });
  }

  // Buttons that ask for a part of the form anew: the keys, or what is under a URL.
  const partial = async (button) => {
    const part = $(`[data-part="${button.dataset.partial}"]`, form);
    const data = new FormData(form, button);
    button.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(button.formAction, { method: "POST", body: data, headers: { Accept: "text/html" } });
      const page = parse(await answer.text());
      const found = $(`[data-part="${button.dataset.partial}"]`, page);
      if (!found) throw new Error("another page");
      part.replaceChildren(...found.childNodes);
      mark();
      const wrong = $('[aria-invalid="true"]', part);
      if (wrong) wrong.focus(); else ($(`[data-partial="${button.dataset.partial}"]`, part) || part.firstElementChild)?.focus();
      say($(".wrong, .notice", part)?.textContent.trim() || all(".keys > li", part).length + " keys");
    } catch {
      button.removeAttribute("data-partial");
      form.requestSubmit(button);
    }
  };

  // What may be reached, while one chooses.
  const summarize = () => {
    const list = form && $("[data-summary]", form);
    if (!list) return;
    const rows = [];
    for (const service of all("fieldset[data-service]", form)) {
      const select = $("select", service), radio = $("input:checked", service);
      const text = select ? (select.value && select.selectedOptions[0].textContent) : (radio?.value && radio.nextElementSibling.textContent);
      if (!text) continue;
      const item = document.createElement("li"), name = document.createElement("strong");
      name.textContent = service.dataset.service;
      item.append(name, " " + text);
      rows.push(item);
    }
    $("[data-granted]", form).textContent = rows.length;
    $("[data-none]", form).hidden = rows.length > 0;
    list.replaceChildren(...rows);
  };
  const filter = $("[data-filter]");
  filter?.addEventListener("input", (event) => {
    event.stopPropagation();
    const wanted = filter.value.trim().toLowerCase();
    let any = false;
    for (const server of all("[data-server]")) {
      let shown = false;
      for (const service of all("fieldset", server)) {
        service.hidden = wanted !== "" && !service.textContent.toLowerCase().includes(wanted);
        shown ||= !service.hidden;
      }
      server.hidden = wanted !== "" && !shown;
      any ||= shown;
    }
    $("[data-nothing]").hidden = any || wanted === "";
  });
  filter?.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });

  // Rows of labels.
  const addRow = (button) => {
    const rows = $("[data-rows]"), first = rows.firstElementChild;
    if (!first) { button.removeAttribute("data-add-row"); form.requestSubmit(button); return; }
    const row = first.cloneNode(true);
    for (const input of all("input", row)) input.value = "";
    rows.append(row);
    $("input", row).focus();
    button.hidden = rows.children.length >= Number(button.dataset.addRow);
  };
  const removeRow = (button) => {
    const rows = button.closest("[data-rows]");
    for (const input of all("input", button.parentElement)) input.value = "";
    if (rows.children.length > 1) button.parentElement.remove();
    $("[data-add-row]").hidden = false;
    $("input", rows).focus();
    mark();
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button, a");
    if (!button) return;
    if (button.matches(".copy")) { copy(button); return; }
    if (button.matches("[data-partial]")) { event.preventDefault(); partial(button); return; }
    if (button.matches("[data-add-row]")) { event.preventDefault(); addRow(button); return; }
    if (button.matches("[data-remove-row]")) { removeRow(button); return; }
    if (button.matches("[data-dismiss]")) { event.preventDefault(); history.replaceState(null, "", button.href); button.parentElement.remove(); return; }
    if (button.matches("#problems a")) {
      const field = document.getElementById(button.hash.slice(1));
      if (!field) return;
      event.preventDefault();
      const tab = field.closest(".panel-resources") ? "tab-resources" : field.closest(".panel-client") ? "tab-client" : "";
      if (tab) document.getElementById(tab).checked = true;
      field.focus();
      field.scrollIntoView({ block: "center" });
    }
  });
  document.addEventListener("change", (event) => { if (event.target.matches("select[data-submit]")) event.target.form.submit(); });

  // Files that are dropped are those of the field, and are added at once.
  document.addEventListener("dragover", (event) => { const drop = event.target.closest?.("[data-drop]"); if (drop) { event.preventDefault(); drop.classList.add("over"); } });
  document.addEventListener("dragleave", (event) => { event.target.closest?.("[data-drop]")?.classList.remove("over"); });
  document.addEventListener("drop", (event) => {
    const drop = event.target.closest?.("[data-drop]");
    if (!drop) return;
    event.preventDefault();
    drop.classList.remove("over");
    if (!event.dataTransfer.files.length) return;
    $("input[type=file]", drop).files = event.dataTransfer.files;
    partial($("[data-partial]", drop));
  });

  // The secret: in a window of its own, and gone from the page with it, or when the
  // page is left, so that no way back leads to it.
  const reveal = $("dialog[data-reveal]");
  if (reveal) {
    const wipe = () => { const secret = $("[data-secret]", reveal); if (secret) secret.textContent = ""; reveal.remove(); };
    reveal.removeAttribute("open"); // to close it would be an event
    reveal.showModal();
    $(".copy", reveal).focus();
    reveal.addEventListener("close", () => { wipe(); document.getElementById("secrets")?.focus(); });
    reveal.addEventListener("cancel", (event) => event.preventDefault());
    addEventListener("pagehide", wipe);
  }

  // The first wrong field has the focus; where that is a group, its first control.
  const first = $("#problems a");
  if (first && !reveal) {
    const field = document.getElementById(first.hash.slice(1));
    const control = field?.matches("input, textarea, select") ? field : field?.querySelector('[aria-invalid="true"], input:not([type=hidden]), select, textarea');
    (control || field || $("#problems")).focus();
  }
  summarize();
});
