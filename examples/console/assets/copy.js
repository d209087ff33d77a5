// Copies a token that was just issued. Without it the token can be selected by hand.
'use strict';

const token = document.getElementById('token');
const button = document.getElementById('copy');
const copied = document.getElementById('copied');

button.hidden = false;
button.addEventListener('click', async () => {
  try {
    await navigator.clipboard.writeText(token.textContent);
    copied.textContent = 'Copied.';
  } catch {
    // Without permission: then one key is enough.
    getSelection().selectAllChildren(token);
    copied.textContent = 'Selected. Copy it with Ctrl+C or ⌘C.';
  }
});
