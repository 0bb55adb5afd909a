// Texts that try to become markup, and texts that are hard to show.

export const HOSTILE: readonly string[] = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  '" autofocus onfocus="alert(1)',
  '</title><script>alert(1)</script>',
  '</textarea><svg/onload=alert(1)>',
  '<!--',
  '-->',
  ']]>',
  '`$' + '{alert(1)}`',
  '$' + '{7*7}{{7*7}}<%= 7*7 %>#{7*7}',
  '&lt;b&gt; &amp; &#60;',
  '<b',
  '=?utf-8?q?=3Cscript=3E?=',
  '\u202egnp.exe',
  '\ud800 half a pair',
  '\u0000',
  'Ω ß 漢字 עברית العربية 👩‍👩‍👧',
  'x'.repeat(5000),
  '',
];
