"""Plain-text dialogs of tests/dialogs, one test each, against the real server.

A file is read line by line:
    # comment
    service: pop3           which port; smtp by default. Must come first
    C: EHLO a.test          sent with CRLF. Escapes: \\r \\n \\t \\0 \\\\ \\xHH; `\\c` at the end: without CRLF
    S: 250*                 one reply (all its lines of SMTP joined by ` / `; one line of POP3) must match; * is anything
    S. ...                  POP3: the lines of a multi-line answer, joined by ` / `, must match
    tls                     the TLS handshake
    closed                  the server must have closed
    again                   a new connection
"""
import re

from harness import ROOT, Pop3, Server, Smtp, check

ESCAPES = {'r': b'\r', 'n': b'\n', 't': b'\t', '0': b'\0', '\\': b'\\'}


def octets(text):
    """The octets of a client's line."""
    end = b'\r\n'
    if text.endswith('\\c'):
        text, end = text[:-2], b''
    out, at = b'', 0
    for match in re.finditer(r'\\(?:x([0-9A-Fa-f]{2})|(.))', text):
        out += text[at:match.start()].encode()
        out += bytes([int(match[1], 16)]) if match[1] else ESCAPES[match[2]]
        at = match.end()
    return out + text[at:].encode() + end


def matches(got, pattern):
    return re.fullmatch('.*'.join(re.escape(part) for part in pattern.split('*')), got) is not None


def play(path):
    lines = path.read_text().splitlines()
    service = next((line.split()[1] for line in lines if line.startswith('service:')), 'smtp')

    def connect(server):
        return Smtp(server, banner=False) if service == 'smtp' else Pop3Dialog(server)
    with Server() as server:
        client = connect(server)
        for number, line in enumerate(lines, 1):
            where = f'{path.name}:{number}'
            if not line.strip() or line.startswith(('#', 'service:')):
                continue
            if line.startswith('C: '):
                client.send_softly(octets(line[3:]))
            elif line.startswith('S: '):
                got = ' / '.join(client.reply().lines) if service == 'smtp' else client.line() or '(closed)'
                check(matches(got, line[3:]), f'{where}: {got!r} is not {line[3:]!r}')
            elif line.startswith('S. '):
                got = ' / '.join(client.body())
                check(matches(got, line[3:]), f'{where}: {got!r} is not {line[3:]!r}')
            elif line == 'tls':
                client.start_tls()
            elif line == 'closed':
                check(client.closed(), f'{where}: the connection stands')
            elif line == 'again':
                client.close()
                client = connect(server)
            else:
                raise AssertionError(f'{where}: what is {line!r}?')
        client.close()


class Pop3Dialog(Pop3):
    """A POP3 client whose banner is the dialog's."""

    def __init__(self, server):
        super(Pop3, self).__init__(server, service='pop3')


GENERATED = [(path.stem, lambda path=path: play(path)) for path in sorted((ROOT / 'tests/dialogs').glob('*.txt'))]
