// Behaviour of our pages. Everything works without it: forms are forms and links are links.
(() => {
  "use strict";

  const cookie = (name, value) => {
    document.cookie = `${name}=${value}; path=/; max-age=31536000; samesite=lax`;
  };
  const typing = (element) =>
    element instanceof HTMLElement && (element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName));

  // ---- HTMX -----------------------------------------------------------------------------------------------------
  document.addEventListener("htmx:configRequest", (event) => {
    const token = document.querySelector('meta[name="csrf-token"]');
    if (token && token.content) event.detail.headers["X-CSRF-Token"] = token.content;
  });
  // What asks by itself will ask again; only what a person did is worth a word.
  const lost = (event) => {
    const { triggeringEvent } = event.detail.requestConfig ?? {};
    if (!/^(submit|click|change|input)$/.test(triggeringEvent?.type ?? "")) return;
    toast("The server did not answer. Check the connection; what you typed is still here.", "critical");
  };
  document.addEventListener("htmx:sendError", lost);
  document.addEventListener("htmx:timeout", lost);
  // After a swap, focus goes to what the answer marks, such as the first wrong field.
  document.addEventListener("htmx:afterSettle", (event) => {
    const wanted = event.detail.elt.querySelector?.("[data-focus]");
    if (wanted) wanted.focus();
  });

  // ---- Toasts ---------------------------------------------------------------------------------------------------
  // A copy of the template that the layout brings, so that the markup has one home.
  function toast(text, tone) {
    const place = document.getElementById("toasts");
    const model = document.getElementById(`toast-${tone || "info"}`);
    if (!place || !model) return;
    const element = model.content.firstElementChild.cloneNode(true);
    element.querySelector("[data-text]").textContent = text;
    place.append(element);
  }
  // The server may send one: HX-Trigger: {"toast": {"text": "Saved", "tone": "positive"}}
  document.addEventListener("toast", (event) => toast(event.detail.text, event.detail.tone));

  // ---- Keyboard -------------------------------------------------------------------------------------------------
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "/") {
      const field = document.querySelector("[data-search]");
      if (!field) return;
      event.preventDefault();
      field.focus();
      field.select();
    } else if (event.key === "c") {
      const link = document.querySelector("[data-create]");
      if (!link) return;
      event.preventDefault();
      link.click();
    } else if (event.key === "j" || event.key === "k") {
      // Up and down through the rows of a table; Enter opens.
      const rows = [...document.querySelectorAll("tr[data-row]")];
      if (!rows.length) return;
      const at = rows.indexOf(document.activeElement?.closest?.("tr[data-row]"));
      const next = rows[Math.min(Math.max(at + (event.key === "j" ? 1 : -1), 0), rows.length - 1)];
      next.tabIndex = -1;
      next.focus();
      next.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter" && event.target.matches?.("tr[data-row]")) {
      event.target.querySelector("a")?.click();
    } else if (event.key === "x" && event.target.matches?.("tr[data-row]")) {
      event.target.querySelector(".row-select")?.click();
    }
  });

  // ---- Small things on plain HTML ---------------------------------------------------------------------------------
  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-open], [data-close], [data-copy], [data-dismiss]");
    // A menu closes when something else, or something in it, is clicked.
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target) || event.target.closest(".menu-item")) menu.open = false;
    }
    if (!target) {
      if (event.target.matches("dialog")) event.target.close();
      return;
    }
    if (target.dataset.open) {
      event.preventDefault();
      document.getElementById(target.dataset.open)?.showModal();
    } else if ("close" in target.dataset) {
      target.closest("dialog")?.close();
    } else if ("dismiss" in target.dataset) {
      target.closest("[data-dismissable]")?.remove();
    } else if (target.dataset.copy) {
      const source = document.getElementById(target.dataset.copy);
      navigator.clipboard
        .writeText(source ? source.textContent.trim() : "")
        .then(() => toast("Copied", "positive"))
        .catch(() => toast("Your browser did not allow copying. Select the text instead.", "critical"));
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
  // A form is sent once, and says that it is at work.
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented || event.target.method === "dialog") return;
    const button = event.submitter;
    if (button?.classList.contains("button")) {
      button.classList.add("busy");
      button.setAttribute("aria-busy", "true");
    }
  });
  window.addEventListener("pageshow", () => {
    for (const button of document.querySelectorAll(".button.busy:not([data-busy])")) {
      button.classList.remove("busy");
      button.removeAttribute("aria-busy");
    }
  });
  // Leaving asks when something was typed and not sent.
  const changed = new Set();
  document.addEventListener("input", (event) => {
    const form = event.target.closest?.("form[data-guard]");
    if (form) changed.add(form);
  });
  document.addEventListener("submit", (event) => changed.delete(event.target));
  window.addEventListener("beforeunload", (event) => {
    if ([...changed].some((form) => form.isConnected)) event.preventDefault();
  });
  // Exact times in the reader's zone.
  const localTimes = (root) => {
    for (const element of root.querySelectorAll("time[datetime]")) {
      const at = new Date(element.dateTime);
      if (!Number.isNaN(at.valueOf())) element.title = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
    }
  };

  // ---- Alpine components ------------------------------------------------------------------------------------------
  document.addEventListener("alpine:init", () => {
    const { Alpine } = window;

    // <html>: theme and folded navigation, remembered in cookies that the server reads.
    Alpine.data("shell", () => ({
      fold() {
        const folded = this.$el.closest(".app").classList.toggle("app-folded");
        cookie("nav", folded ? "folded" : "open");
      },
      theme() {
        const wanted = this.$el.dataset.theme;
        document.documentElement.dataset.theme = wanted;
        cookie("theme", wanted);
        for (const button of this.$el.parentElement.children) {
          button.setAttribute("aria-pressed", String(button === this.$el));
        }
      },
    }));

    Alpine.data("toast", () => ({
      init() {
        // Long enough to read; not while the pointer rests on it. Errors stay.
        if (this.$el.dataset.stay === undefined) {
          this.timer = setTimeout(() => this.leave(), 6000);
        }
      },
      hold() {
        clearTimeout(this.timer);
      },
      leave() {
        this.$root.remove();
      },
    }));

    // The button works once the word is typed.
    Alpine.data("typedConfirm", () => ({
      typed: "",
      get wrong() {
        return this.typed.trim() !== this.$root.dataset.word;
      },
    }));

    // Selected rows of a table.
    Alpine.data("selection", () => ({
      count: 0,
      boxes() {
        return [...this.$root.querySelectorAll(".row-select")];
      },
      get some() {
        return this.count > 0;
      },
      get text() {
        return this.count === 1 ? "1 selected" : `${this.count} selected`;
      },
      update() {
        const boxes = this.boxes();
        this.count = boxes.filter((box) => box.checked).length;
        const all = this.$root.querySelector(".row-select-all");
        if (all) {
          all.checked = boxes.length > 0 && this.count === boxes.length;
          all.indeterminate = this.count > 0 && this.count < boxes.length;
        }
      },
      all() {
        const { checked } = this.$el;
        for (const box of this.boxes()) box.checked = checked;
        this.update();
      },
      none() {
        for (const box of this.boxes()) box.checked = false;
        this.update();
      },
    }));

    // "acme" → "acme.example.com", and a slug from the organisation's name until the person writes their own.
    Alpine.data("slugPreview", () => ({
      slug: "",
      own: false,
      init() {
        const field = this.$root.querySelector("[data-slug]");
        this.slug = field.value;
        this.own = field.value !== "";
      },
      get shown() {
        return this.slug || "your-team";
      },
      fromName() {
        if (this.own) return;
        const field = this.$root.querySelector("[data-slug]");
        field.value = this.$el.value
          .normalize("NFKD")
          .replace(/[\u0300-\u036f]/g, "")
          .toLowerCase()
          .replace(/[^a-z0-9]+/g, "-")
          .replace(/^[^a-z]+|-+$/g, "")
          .slice(0, 40)
          .replace(/-+$/, "");
        this.slug = field.value;
        field.dispatchEvent(new Event("change", { bubbles: true }));
      },
      typed() {
        this.own = this.$el.value !== "";
        this.slug = this.$el.value.trim().toLowerCase();
      },
    }));

    // A text field that narrows the options of the <select> it stands for. Without JavaScript there is only the select.
    Alpine.data("typeahead", () => ({
      open: false,
      text: "",
      at: 0,
      options: [],
      init() {
        const select = this.$root.querySelector("select");
        select.hidden = true;
        this.options = [...select.options].map((option) => ({ value: option.value, label: option.textContent.trim() }));
        this.text = select.selectedOptions[0]?.textContent.trim() ?? "";
      },
      get found() {
        const words = this.text.toLowerCase().split(/\s+/).filter(Boolean);
        const exact = this.options.some((option) => option.label === this.text);
        return this.options
          .filter((option) => exact || words.every((word) => option.label.toLowerCase().includes(word)))
          .slice(0, 50)
          .map((option, index) => ({ ...option, index, selected: index === this.at }));
      },
      get nothing() {
        return this.found.length === 0;
      },
      get expanded() {
        return String(this.open);
      },
      show() {
        this.open = true;
        this.$el.select();
      },
      search() {
        this.text = this.$el.value;
        this.at = 0;
        this.open = true;
      },
      take(index) {
        const option = this.found[index];
        const select = this.$root.querySelector("select");
        if (option) {
          select.value = option.value;
          this.text = option.label;
          select.dispatchEvent(new Event("change", { bubbles: true }));
        }
        this.open = false;
      },
      pick() {
        this.take(Number(this.$el.dataset.index));
      },
      key() {
        const { key } = this.$event;
        if (key === "ArrowDown" || key === "ArrowUp") {
          this.$event.preventDefault();
          this.open = true;
          this.at = Math.min(Math.max(this.at + (key === "ArrowDown" ? 1 : -1), 0), this.found.length - 1);
        } else if (key === "Enter" && this.open) {
          this.$event.preventDefault();
          this.take(this.at);
        } else if (key === "Escape") {
          this.leave();
        }
      },
      leave() {
        // What was typed and is no option is put back to what is chosen.
        const select = this.$root.querySelector("select");
        this.text = select.selectedOptions[0]?.textContent.trim() ?? "";
        this.open = false;
      },
    }));
  });

  document.addEventListener("DOMContentLoaded", () => localTimes(document));
  document.addEventListener("htmx:load", (event) => {
    const root = event.detail.elt;
    localTimes(root);
    // What was waited for is there: go, after a look at the result.
    const go = root.matches?.("[data-go]") ? root : root.querySelector?.("[data-go]");
    if (go) setTimeout(() => location.assign(go.dataset.go), 1500);
  });
})();
