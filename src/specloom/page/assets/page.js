
"use strict";
// One player sounds at a time; going over to another one keeps the place on the common time line.
(() => {
  const all = (query) => Array.from(document.querySelectorAll(query));
  const players = new Map(all("audio").map((audio) => [audio.id.slice(6), audio]));
  if (players.size === 0) return;
  document.documentElement.classList.add("scripted");
  let current = null;
  let previous = null;

  const number = (audio, name) => Number(audio.dataset[name]);
  const place = (audio) => number(audio, "offset") + number(audio, "speed") * audio.currentTime;
  const seconds = (audio) => (Number.isFinite(audio.duration) ? audio.duration : number(audio, "duration"));
  const clip = (value, top) => Math.min(Math.max(value, 0), top);
  const goTo = (audio, seat) => {
    audio.currentTime = clip((seat - number(audio, "offset")) / number(audio, "speed"), Math.max(0, seconds(audio) - 0.02));
  };
  const clock = (time) => Math.floor(time / 60) + ":" + (time % 60).toFixed(1).padStart(4, "0");

  // The bar at the foot of the window: what sounds, and the way back to what sounded before.
  const dock = document.createElement("div");
  dock.className = "dock";
  dock.hidden = true;
  dock.setAttribute("role", "region");
  dock.setAttribute("aria-label", "Player");
  const dockPlay = document.createElement("button");
  dockPlay.type = "button";
  dockPlay.className = "play";
  dockPlay.append(document.createElement("i"));
  const what = document.createElement("div");
  what.className = "what";
  const title = document.createElement("b");
  const dockClock = document.createElement("span");
  dockClock.className = "clock";
  what.append(title, dockClock);
  const back = document.createElement("button");
  back.type = "button";
  back.className = "compare";
  back.hidden = true;
  dock.append(dockPlay, what, back);
  document.body.append(dock);

  const show = () => {
    for (const [key, audio] of players) {
      const sounding = !audio.paused;
      for (const button of all('.play[data-sound="' + key + '"]')) {
        button.setAttribute("aria-pressed", String(sounding));
        button.setAttribute("aria-label", (sounding ? "Pause " : "Play ") + audio.dataset.name);
      }
      for (const output of all('output[data-sound="' + key + '"]')) {
        output.textContent = clock(audio.currentTime) + " / " + clock(seconds(audio));
      }
      for (const scope of all('.scope[data-sound="' + key + '"]')) {
        const share = (audio.currentTime - Number(scope.dataset.start)) / Number(scope.dataset.span);
        const line = scope.querySelector(".head-line");
        line.hidden = audio.currentTime === 0 && !sounding;
        line.style.left = 100 * clip(share, 1) + "%";
        scope.setAttribute("aria-valuenow", audio.currentTime.toFixed(1));
        scope.setAttribute("aria-valuetext", audio.currentTime.toFixed(1) + " seconds");
        scope.closest(".card").classList.toggle("playing", sounding);
      }
    }
    for (const button of all(".card .compare")) {
      button.setAttribute("aria-pressed", String(current !== null && current.id === "sound-" + button.dataset.other && !current.paused));
    }
    if (current === null) return;
    dock.hidden = false;
    title.textContent = current.dataset.name;
    dockClock.textContent = clock(current.currentTime) + " / " + clock(seconds(current));
    dockPlay.setAttribute("aria-pressed", String(!current.paused));
    dockPlay.setAttribute("aria-label", (current.paused ? "Play " : "Pause ") + current.dataset.name);
    back.hidden = previous === null;
    if (previous !== null) back.textContent = "Compare: " + previous.dataset.name;
  };
  const run = () => {
    show();
    if (current !== null && !current.paused) requestAnimationFrame(run);
  };

  const start = (audio) => {
    const from = current;
    if (from !== null && from !== audio) {
      if (!from.paused) goTo(audio, place(from));
      previous = from;
    }
    current = audio;
    for (const other of players.values()) if (other !== audio) other.pause();
    audio.play().catch(() => show());
  };
  const change = (audio) => {
    // Unlike start, this keeps the place even where the sound before stands still.
    if (current !== null && current !== audio) goTo(audio, place(current));
    start(audio);
  };
  const toggle = (audio) => (audio.paused ? start(audio) : audio.pause());

  for (const audio of players.values()) {
    audio.addEventListener("play", () => requestAnimationFrame(run));
    for (const event of ["pause", "ended", "seeked", "loadedmetadata"]) audio.addEventListener(event, show);
  }
  for (const button of all("button.play[data-sound]")) {
    button.addEventListener("click", () => toggle(players.get(button.dataset.sound)));
  }
  for (const button of all(".card .compare")) {
    button.addEventListener("click", () => {
      const own = players.get(button.dataset.sound);
      const other = players.get(button.dataset.other);
      if (current !== own && current !== other) start(own);
      else change(current === own ? other : own);
    });
  }
  dockPlay.addEventListener("click", () => toggle(current));
  back.addEventListener("click", () => change(previous));

  for (const scope of all(".scope.seek")) {
    const audio = players.get(scope.dataset.sound);
    const from = Number(scope.dataset.start);
    const span = Number(scope.dataset.span);
    scope.tabIndex = 0;
    scope.setAttribute("role", "slider");
    scope.setAttribute("aria-label", "Place in " + audio.dataset.name);
    scope.setAttribute("aria-valuemin", "0");
    scope.setAttribute("aria-valuemax", number(audio, "duration").toFixed(1));
    const seek = (event) => {
      const box = scope.getBoundingClientRect();
      audio.currentTime = clip(from + span * ((event.clientX - box.left) / box.width), Math.max(0, seconds(audio) - 0.02));
      show();
    };
    scope.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      seek(event);
      scope.setPointerCapture(event.pointerId);
    });
    scope.addEventListener("pointermove", (event) => {
      if (scope.hasPointerCapture(event.pointerId)) seek(event);
    });
    scope.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: 0.5, ArrowUp: 0.5, ArrowLeft: -0.5, ArrowDown: -0.5, PageUp: 5, PageDown: -5, Home: -Infinity, End: Infinity };
      if (event.key === " " || event.key === "Enter") toggle(audio);
      else if (event.key in steps) audio.currentTime = clip(audio.currentTime + steps[event.key], Math.max(0, seconds(audio) - 0.02));
      else return;
      event.preventDefault();
      show();
    });
  }
  show();
})();
