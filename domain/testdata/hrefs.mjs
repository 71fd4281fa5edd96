// Writes hrefs.tsv: what a parser of the WHATWG URL standard, that of Node.js, returns
// as href for many inputs. Run it with: node hrefs.mjs > hrefs.tsv
//
// A line is an input and its href, quoted as in Go. The href is empty where the parser
// refuses the input.

const ascii = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code));

const others = [
  'é', 'ß', 'ς', 'İ', 'ı', 'ſ', '漢字', 'かな', '한글', 'עברית', 'العربية', 'ไทย', 'हिन्दी', '😀', '👩‍💻', '👍🏽', '🇫🇷',
  '🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}', 'نامه‌ای', 'क्‍ष', 'شهر‌ها', 'e\u0301', '\u00a0', '\u00ad', '\u200b',
  '\u200c', '\u200d', '\u200e', '\u200f', '\u2028', '\u2029', '\u202e', '\u2066', '\u2060', '\u3000', '\ufeff', '\ufffd', '\ufffe',
  '\u{10ffff}', '%', '%2', '%zz', '%41', '%2f', '%2F', '%00', '%20', '%7f', '%e2%80%8b', '%ff', '%25', '%%', '..', '.', '//', '@@', '::',
];

const hosts = [
  '', 'localhost', 'example.com', 'EXAMPLE.com', 'example.com.', '.', '..', 'a..b', '.a', '-a-', 'a_b', 'a--b', '127.0.0.1', '127.1',
  '0x7f.1', '017700000001', '1.2.3.256', '1.2.3.4.5', '1.2.3', '256', '4294967295', '4294967296', '0', '0x', '0x.0x', '08', '1.2.3.08',
  '1.2.3.4.', '1.2.3.4..', '1..2', '1.2.3.4a', 'a.1', 'a.1.', 'a.0x1', 'a.0xg', 'a.1e3', '0.0.0.0x100', '0xffffffff', '0x100000000',
  '[::]', '[::1]', '[1:2:3:4:5:6:7:8]', '[1:2:3:4:5:6:7::]', '[::ffff:1.2.3.4]', '[::1.2.3.4]', '[::1.2.3]', '[::01.2.3.4]', '[1::2::3]',
  '[1:2:3:4:5:6:7:8:9]', '[12345::]', '[::g]', '[]', '[', ']', '[::1', '::1', '[::1]a', '[[::1]]', '[::1%eth0]', '[::1%25eth0]', '[V1.a]',
  'bücher.example', 'BÜCHER.example', 'xn--bcher-kva.example', '例え.jp', '☃.net', '😀.example', 'faß.de', 'ａ.com', '１.2.3.4', '1。2.3.4',
  'foo.１', 'a＠b', 'a／b', 'a％41', 'a：80', 'नेपाल.com', 'نامه‌ای.com', 'क्‍ष.com', '👩‍💻.example', 'a‍b.com', '%41.com', '%e4%be%8b.jp',
  '%00', '%20', '%2f', '%80', '%e4%be', 'a.'.repeat(120) + 'com', 'a'.repeat(64) + '.com', "a!$&'()*+,;=~b", 'a{b}', 'a`b', 'a"b',
  '0X7F.0X0.1', '0o177.1', '127.0.0.1..', '.127.0.0.1', '+1', '1.-1', '1_0', '0x..', '000.0', '0x1.08', '1.0x1000000', '1.0xffffff', '1.2.65535',
  '1.2.65536', '0x00000000000000000000000001', '0xffffffffffffffffffffff', '1.99999999999999999999999', 'foo.0x', 'foo.09', 'foo.1a', '٣.1', 'x.１',
  '[1::]', '[:1]', '[1:]', '[:::]', '[::1::]', '[00001::]', '[::FFFF:1.2.3.4]', '[::1.2.3.]', '[1:2:3:4:5:6:1.2.3.4]', '[1.2.3.4::]', '[ ::1]', '[::１]',
  '[%3a%3a1]', '%5b::1%5d', 'XN--BCHER-KVA.EXAMPLE', 'xn--ls8h.la', 'xn--fa-hia.de', '_dmarc.example.com', '-a.com', 'a-.com', 'a%2eb', 'a%40b', 'a%e2%80%aeb',
  '%ef%bd%81', 'a\u115fb', 'a\u17b4b', 'a\u3164b', 'a\uffa0b', 'a\ufffcb', 'a%e3%85%a4b', '\u0301a.com', 'a.\u0331b', 'cafe\u0301.com', 'a℀b', '℁.com', '㏂.x', 'a․b',
  'a‥b', '…', '⒈com', '１⒈2', 'a﹫b', 'a︓b', 'a﹒b', '❤\ufe0f.ws', '日本語。jp', 'ℕ.com', 'ﬁsh.com', '½.com',
];

const ports = ['', '0', '1', '80', '443', '8080', '00080', '65535', '65536', '99999999999999999999', '-1', '+1', '1a', 'a', ' 80', '80 ', '8_0', '0x50', '１', '80:80'];

const whole = [
  'http:', 'http:/', 'http://', 'http:///', 'http://?', 'http://#', 'http://@', 'http://:', 'http://:80', 'http://a@', 'http://a@/', 'http://a:b@/',
  'HTTP://h', 'hTtPs://h', 'httpſ://h', 'http ://h', ' http://h', 'http://h ', 'http:h', 'http:/h', 'http:///h', 'http:\\\\h', 'http:/\\h', '\thttp://h',
  'ht\ntp://h', 'http://h?', 'http://h#', 'http://h?#', 'http://h/?#', 'http://h??', 'http://h##', 'http://h/?a=b&c=d#e?f#g', 'http://h#?', 'http://h/.', 'http://h/..',
  'http://h/a/./b/../c', 'http://h/%2e/%2E%2e/a', 'http://h//a', 'http://h/a//', 'http://h;a', 'http://h\\a', 'http://h\\@evil', 'http://h/\\@evil', 'http://u@h',
  'http://u:@h', 'http://:p@h', 'http://u:p@h:80/a?b#c', 'https://u:p@h:443/a?b#c', 'https://h:80', 'http://h:443', 'http://a@b@c/', 'http://a:b:c@d', 'http://a/b@c',
  'http://a?b@c', 'http://a#b@c', 'http://h/?q=نامه‌ها', 'http://h/👩‍👩‍👧', 'http://h/#:~:text=a,b', 'http://h/[a]?[b]=c#[d]', 'http://h/a|b?c|d#e|f',
  'http://h/a^b?{c}^`d`#{e}', "http://h/it's?it's#it's", 'http://h/100%25?100%25', 'http://h/?100%', 'http://h/100%', 'http://h/#100%', 'ftp://h/', 'javascript:alert(1)',
  'mailto:a@b', 'file:///h', 'data:,a', 'h', '//h', '/h', 'h:80', '', ' ', 'ws://h', 'http:// h', 'http://h h', 'http://h/h h', 'http://h\u00a0h', 'http://\u200b', 'http://\u00ad',
];

const inputs = new Set(whole);
for (const text of [...ascii, ...others]) {
  for (const [before, after] of [
    ['http://h', ''], ['http://a', 'b'], ['http://a', 'b.com/c'], ['http://u', 'v@h/'], ['http://u:p', 'q@h/'], ['http://h/a', 'b'], ['http://h/a', 'b?c#d'], ['https://h/?a', 'b'],
    ['https://h/?a', 'b#c'], ['https://h/#a', 'b'], ['http://h:8', '0/'],
  ]) {
    // widgetd does not know the rules for writing directions in domains (RFC 5893).
    if (/^[עا]/.test(text) && /^http:..[ha]$/.test(before)) continue;
    inputs.add(before + text + after);
  }
}
for (const host of hosts) {
  for (const after of ['', '/', ':8080/a', '?a', '#a']) inputs.add('http://' + host + after);
  inputs.add('https://u:p@' + host + '/');
}
for (const port of ports) {
  for (const host of ['h', '[::1]', '1.2.3.4']) inputs.add('http://' + host + ':' + port).add('https://u@' + host + ':' + port + '/?a#b');
}

// quote escapes what cannot be seen, so that it can be reviewed.
function quote(text) {
  return '"' + text.replace(/["\\]/g, '\\$&').replace(/[\p{C}\p{Z}]/gu, (c) => {
    if (c === ' ') return c;
    const hex = c.codePointAt(0).toString(16);
    return hex.length > 4 ? '\\U' + hex.padStart(8, '0') : '\\u' + hex.padStart(4, '0');
  }) + '"';
}

for (const input of inputs) console.log(quote(input) + '\t' + quote(URL.canParse(input) ? new URL(input).href : ''));
