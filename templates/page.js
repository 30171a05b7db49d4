"use strict";
(() => {
  const box = document.getElementById("filter");
  const count = document.getElementById("count");
  let things = null;

  // A row and what stands below it to explain it are shown together.
  function find() {
    things = [];
    for (const part of document.querySelectorAll(".find > li, .find > tbody > tr")) {
      if (part.className === "why") {
        things.at(-1).parts.push(part);
      } else {
        things.push({ parts: [part] });
      }
    }
    for (const thing of things) {
      thing.text = thing.parts.map((part) => part.textContent).join(" ").toLowerCase();
    }
  }

  function show() {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (things === null) {
      if (words.length === 0) return;
      find();
    }
    let shown = 0;
    for (const { parts, text } of things) {
      const fits = words.every((word) => text.includes(word));
      for (const part of parts) part.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    count.textContent = words.length ? `${shown} of ${things.length} shown` : "";
  }

  // The address keeps what is asked for, so that it can be sent to somebody.
  function fromAddress() {
    const asked = /^#filter=(.*)$/.exec(location.hash);
    if (!asked) return;
    try {
      box.value = decodeURIComponent(asked[1]);
    } catch {
      box.value = asked[1];
    }
    show();
  }

  let later = 0;
  box.addEventListener("input", () => {
    clearTimeout(later);
    later = setTimeout(() => {
      show();
      const address = box.value ? `#filter=${encodeURIComponent(box.value)}` : "#";
      history.replaceState(null, "", address);
    }, 150);
  });
  addEventListener("hashchange", fromAddress);
  box.form.addEventListener("submit", (event) => event.preventDefault());
  box.form.hidden = false;
  fromAddress();
})();
