"""POP3 clients that people use, from Debian: each fetches the same mail, over STLS and over TLS, and the octets must be those that were sent."""
import base64
import getpass
import mailbox
import os
import pathlib
import poplib
import shutil
import ssl
import subprocess
import tempfile

from harness import HOSTNAME, PASSWORD, Server, Skip, check, deliver, equal, mailbox_count

USER = 'alice@example.test'
LISTENERS = [{'service': 'smtp', 'xclient': ['127.0.0.0/8']}, {'service': 'pop3'}, {'service': 'pop3s'}]
HEAD = b'From: Ann <ann@sender.test>\r\nDate: Mon, 01 Jun 2026 10:00:00 +0000\r\nMessage-ID: <%d@sender.test>\r\nSubject: clients\r\n\r\n'
BODIES = [b'plain\r\n', b'.dot\r\n..two\r\n.\r\nFrom the start of a line\r\n', b'\r\n\r\nblank lines\r\n\r\n', b'x' * 990 + b'\r\n',
          base64.encodebytes(bytes(range(256)) * 300).replace(b'\n', b'\r\n'), 'Grüße 漢字\r\n'.encode()]


def sent():
    return [HEAD % number + body for number, body in enumerate(BODIES)]


class Mailboxes:
    """A server whose INBOX of alice holds BODIES; its certificate is known as `authority`."""

    def __enter__(self):
        self.server = Server(LISTENERS)
        self.server.__enter__()
        for text in sent():
            equal(deliver(self.server, message=text).code, 250, 'delivery')
        self.authority = str(self.server.folder / 'cert.pem')
        return self

    def __exit__(self, *rest):
        return self.server.__exit__(*rest)

    def ports(self):
        """{'stls': port, 'tls': port}"""
        return {'stls': self.server.port('pop3'), 'tls': self.server.port('pop3s')}


def need(program):
    if not shutil.which(program):
        raise Skip(f'{program} is not installed')


def run(words, **options):
    result = subprocess.run([str(word) for word in words], capture_output=True, timeout=60, **options)
    check(result.returncode == 0, f'{words[0]} ended with {result.returncode}: {result.stdout[-500:]}{result.stderr[-1000:]}')
    return result.stdout


def same(fetched, what):
    """Fetched messages, in any order, with lines that end in LF or CRLF and fields in front, are those that were sent."""
    def plain(text):
        return text.replace(b'\r\n', b'\n').rstrip(b'\n')
    rest = [plain(text) for text in fetched]
    for text in sent():
        match = [each for each in rest if each.endswith(plain(text))]
        check(len(match) == 1, f'{what}: {len(match)} messages end in {plain(text)[-60:]!r}')
        rest.remove(match[0])
    check(not rest, f'{what}: {len(rest)} messages too many')


def trusting(authority):
    context = ssl.create_default_context(cafile=authority)
    context.check_hostname = False
    return context


def test_poplib_fetches_the_octets_as_they_were_sent():
    with Mailboxes() as boxes:
        for how, port in boxes.ports().items():
            if how == 'tls':
                client = poplib.POP3_SSL('127.0.0.1', port, context=trusting(boxes.authority))
            else:
                client = poplib.POP3('127.0.0.1', port)
                client.stls(trusting(boxes.authority))
            check('UIDL' in client.capa() and 'TOP' in client.capa(), 'CAPA')
            client.user(USER)
            client.pass_(PASSWORD)
            count, octets = client.stat()
            equal(count, len(BODIES), 'messages')
            texts = [b'\r\n'.join(client.retr(number)[1]) + b'\r\n' for number in range(1, count + 1)]
            for text, want in zip(texts, sent()):
                check(text.endswith(want), f'{how}: {text[-80:]!r} is not {want[-80:]!r}')
            equal(sum(map(len, texts)), octets, 'octets in STAT')
            equal(len({line.split()[1] for line in client.uidl()[1]}), count, 'names in UIDL')
            if how == 'stls':
                client.quit()
            else:
                client.dele(1)
                client.quit()
        equal(mailbox_count(boxes.server), len(BODIES) - 1, 'messages after DELE')


def test_curl_lists_and_fetches():
    need('curl')
    with Mailboxes() as boxes:
        for how, port in boxes.ports().items():
            scheme = 'pop3s' if how == 'tls' else 'pop3'
            words = ['curl', '-sS', '--ssl-reqd', '--cacert', boxes.authority, '--resolve', f'{HOSTNAME}:{port}:127.0.0.1', '-u', f'{USER}:{PASSWORD}']
            listing = run([*words, f'{scheme}://{HOSTNAME}:{port}/'])
            equal(len(listing.split(b'\r\n')) - 1, len(BODIES), 'lines of LIST')
            for number, want in enumerate(sent(), 1):
                text = run([*words, f'{scheme}://{HOSTNAME}:{port}/{number}'])
                check(text.endswith(want), f'{how}: message {number} ends in {text[-80:]!r}')


def test_fetchmail_keeps_and_fetches_all():
    need('fetchmail')
    with Mailboxes() as boxes:
        folder = boxes.server.folder
        for how, port in boxes.ports().items():
            into = folder / f'fetched-{how}'
            into.mkdir()
            config = folder / f'fetchmailrc-{how}'
            secure = 'ssl sslproto tls1.2+' if how == 'tls' else 'sslproto tls1.2+'
            # One file a message: the sink is told nothing but the octets.
            config.write_text(f'poll 127.0.0.1 service {port} protocol pop3 uidl\n  user "{USER}" password "{PASSWORD}" {secure}\n'
                              f'  sslcertck sslcertfile "{boxes.authority}" sslcommonname "{HOSTNAME}" no rewrite\n'
                              f'  mda "sh -c \'cat > $(mktemp {into}/XXXXXX)\'" {"keep" if how == "stls" else "nokeep"}\n')
            config.chmod(0o600)
            run(['fetchmail', '-f', config, '--nosyslog', '--idfile', folder / f'ids-{how}', '--pidfile', folder / f'pid-{how}', '--invisible'])
            same([path.read_bytes() for path in into.iterdir()], f'fetchmail by {how}')
            if how == 'stls':
                again = subprocess.run(['fetchmail', '-f', str(config), '--nosyslog', '--idfile', str(folder / f'ids-{how}'), '--pidfile',
                                        str(folder / 'pid'), '--invisible'], capture_output=True, timeout=60)
                equal(again.returncode, 1, 'fetchmail again, which knows all by their names')
        equal(mailbox_count(boxes.server), 0, 'messages afterwards')


def test_mpop_keeps_then_deletes():
    need('mpop')
    with Mailboxes() as boxes:
        folder = boxes.server.folder
        for how, port in boxes.ports().items():
            into = folder / f'maildir-{how}'
            for part in ('cur', 'new', 'tmp'):
                (into / part).mkdir(parents=True)
            config = folder / f'mpoprc-{how}'
            config.write_text(f'account default\nhost 127.0.0.1\nport {port}\nauth user\nuser {USER}\npassword "{PASSWORD}"\ntls on\n'
                              f'tls_starttls {"off" if how == "tls" else "on"}\ntls_trust_file {boxes.authority}\ntls_host_override {HOSTNAME}\n'
                              f'received_header off\nuidls_file {folder}/uidls-{how}\nkeep {"on" if how == "stls" else "off"}\ndelivery maildir {into}\n')
            config.chmod(0o600)
            run(['mpop', '-C', config, '-q'])
            same([path.read_bytes() for path in (into / 'new').iterdir()], f'mpop by {how}')
            if how == 'stls':
                run(['mpop', '-C', config, '-q'])
                equal(len(list((into / 'new').iterdir())), len(BODIES), 'messages after a second run')
        equal(mailbox_count(boxes.server), 0, 'messages afterwards')


def test_getmail_fetches_into_an_mbox():
    need('getmail')
    with Mailboxes() as boxes, tempfile.TemporaryDirectory(prefix='wicket-getmail-') as theirs:
        folder = boxes.server.folder / 'getmail'
        folder.mkdir(mode=0o700)
        into = pathlib.Path(theirs) / 'mbox'
        into.touch(mode=0o600)
        # Started as root, getmail delivers as somebody else.
        owner = 'nobody' if os.geteuid() == 0 else getpass.getuser()
        for path in (theirs, into):
            shutil.chown(path, owner)
        (folder / 'getmailrc').write_text(
            f'[retriever]\ntype = SimplePOP3SSLRetriever\nserver = 127.0.0.1\nport = {boxes.server.port("pop3s")}\nusername = {USER}\n'
            f'password = {PASSWORD}\nca_certs = {boxes.authority}\nssl_cert_hostname = {HOSTNAME}\n[destination]\ntype = Mboxrd\npath = {into}\nuser = {owner}\n'
            '[options]\ndelete = true\nreceived = false\ndelivered_to = false\n')
        run(['getmail', '--getmaildir', folder, '--rcfile', folder / 'getmailrc'])
        texts = [bytes(message).replace(b'\n>From ', b'\nFrom ') for message in mailbox.mbox(into)]
        same(texts, 'getmail')
        equal(mailbox_count(boxes.server), 0, 'messages afterwards')
