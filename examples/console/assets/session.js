// Warns before the session ends, in every tab. Without it everything works, only unannounced.
'use strict';

const banner = document.getElementById('ending');
// The one counts down. The other is for screen readers, which would read out every change.
const shown = banner.querySelector('.shown');
const heard = banner.querySelector('.unseen');
const stay = banner.querySelector('button');
const warnAt = Number(banner.dataset.warnSeconds) * 1000;
const tabs = new BroadcastChannel('session');

let endsAt = null; // by this machine's clock, which all tabs share; null: nothing ends it
let movable = true; // whether activity moves the end
let latest = 0; // the number of the latest question: older answers no longer count
let leaving = false; // once is enough: what is heard on the way out may know no reason any more
let timer;

// Asking is no activity, so a page that nobody looks at keeps nobody signed in.
async function ask() {
  const number = ++latest;
  const options = { cache: 'no-store', signal: AbortSignal.timeout(10_000) };
  try {
    const response = await fetch('/api/session', options);
    const answer = response.ok && await response.json();
    if (number !== latest) return;
    if (response.status === 401) return ended(await response.json());
    if (!answer) return later(5000); // the store does not answer, so nothing is known
    const { ends_in_seconds: left, bound_by: end } = answer;
    const state = {
      endsAt: left === null ? null : Date.now() + left * 1000,
      movable: end?.limit !== 'absolute',
    };
    learn(state);
    tabs.postMessage(state); // activity in this tab calms the others
  } catch {
    if (number === latest) later(5000); // offline
  }
}

// The first tab that opens the sign-in page gives up the cookie, and with it what the server knows.
// So it tells the others why.
function ended({ reason, organization }) {
  const why = reason === 'anonymous' ? {} : { reason, ...(organization && { organization }) };
  if (why.reason) tabs.postMessage({ why });
  leave(why);
}

function leave(why) {
  if (leaving) return;
  leaving = true;
  const query = new URLSearchParams({ return_to: location.pathname + location.search, ...why });
  location.replace(`/login?${query}`);
}

function learn(state) {
  ({ endsAt, movable } = state);
  show();
}

// What is left is read off the clock each time. Counting ticks would be wrong after sleep, and in
// background tabs, where they come late.
function show() {
  const left = endsAt === null ? Infinity : endsAt - Date.now();
  if (left > warnAt) {
    // Whoever pressed the button goes on in the page.
    if (banner.contains(document.activeElement)) {
      document.getElementById('content').focus({ preventScroll: true });
    }
    banner.hidden = true;
    heard.textContent = '';
    // Ask just when it is time to warn: somebody may have been active in another tab. And now and
    // then before, for what was ended from elsewhere.
    return later(Math.min(left - warnAt, 60_000));
  }
  if (left <= 0) return later(1000); // it ends about now; the server knows
  const seconds = Math.ceil(left / 1000);
  const text = `Your session ends in ${seconds} second${seconds === 1 ? '' : 's'}.`;
  shown.textContent = text;
  stay.hidden = !movable;
  if (banner.hidden || seconds === 10 || seconds === 30) {
    banner.hidden = false;
    // Later, because only what changes while it is there is read out.
    setTimeout(() => { heard.textContent = text; }, 100);
  }
  clearTimeout(timer);
  timer = setTimeout(show, left % 1000 || 1000);
}

function later(milliseconds) {
  clearTimeout(timer);
  timer = setTimeout(ask, milliseconds);
}

stay.addEventListener('click', async () => {
  try {
    await fetch('/stay', { method: 'POST' });
  } finally {
    ask();
  }
});

tabs.addEventListener('message', ({ data }) => data.why ? leave(data.why) : learn(data));
// After sleep, in a tab that comes to the front, and on the way back through the history.
document.addEventListener('visibilitychange', () => document.hidden || ask());
window.addEventListener('focus', ask);
window.addEventListener('pageshow', ({ persisted }) => {
  if (!persisted) return;
  leaving = false;
  ask();
});
ask();
