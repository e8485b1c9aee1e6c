'use strict';
// Stands in front of all else, since a file that is cut off has not what stands at its end: then nobody but this says so.

document.addEventListener('DOMContentLoaded', () => {
  if (typeof start === 'function') return;
  const trouble = document.getElementById('trouble') ?? document.body.appendChild(document.createElement('p'));
  trouble.textContent = 'This page is not whole: the file is cut off before its end. chat-eval report writes it again.';
  trouble.hidden = false;
  const count = document.getElementById('count');
  if (count !== null) count.textContent = '';
});
