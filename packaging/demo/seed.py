"""Sends the made-up mail of the demo through the real SMTP port. XCLIENT says which host each session comes from."""
import email.utils
import re
import smtplib
import socket
import ssl

import dkim

import world

MESSAGE_LIMIT_SECONDS = 40  # the server answers within 20 s of end-of-data
SIGNED_FIELDS = [b'from', b'to', b'subject', b'date', b'message-id', b'mime-version', b'content-type']
BODY = '''Hello,

this is one of the messages that the demo has sent itself, so that there is
something to look at. Its subject says what is special about it.

Yours, {author}
'''


def compose(mail, number, keys):
    """The octets of a message, with CRLF, signed and then damaged as it says."""
    author = mail.author or mail.sender
    fields = [f'From: {author}', f'To: {", ".join(mail.recipients)}', f'Subject: {mail.subject}',
              f'Date: {email.utils.formatdate()}', f'Message-ID: <demo.{number}@{author.partition("@")[2]}>', 'MIME-Version: 1.0',
              'Content-Type: text/plain; charset=utf-8', *mail.fields]
    octets = ('\n'.join(fields) + '\n\n' + BODY.format(author=author)).replace('\n', '\r\n').encode()
    if mail.sign:
        domain, selector = mail.sign
        key = (keys / f'{domain}.{selector}.pem').read_bytes()
        signature = dkim.sign(octets, selector.encode(), domain.encode(), key, canonicalize=(b'relaxed', b'relaxed'),
                              include_headers=SIGNED_FIELDS)
        octets = signature.replace(b'\r\n', b'\n').replace(b'\n', b'\r\n') + octets
    return octets + mail.damage


class Session(smtplib.SMTP):
    """A session that comes from a made-up host."""

    def become(self, mail):
        self.ehlo('relay.demo.test')
        if self.has_extn('starttls') and mail.how == 'tls':
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.starttls(context=context)
            self.ehlo('relay.demo.test')
        peer = world.HOSTS[mail.host]
        address = f'IPV6:{peer.address}' if ':' in peer.address else peer.address
        code, text = self.docmd('XCLIENT', f'ADDR={address}')
        if code != 220:
            return code, text
        self.ehlo_resp = self.helo_resp = None
        return self.ehlo(peer.helo)

    def say(self, line):
        code, text = self.docmd(line)
        return code, text.decode(errors='replace')


def chunked(session, octets):
    """BDAT in two pieces."""
    half = len(octets) // 2
    session.send(b'BDAT %d\r\n' % half + octets[:half])
    code, text = session.getreply()
    if code != 250:
        return code, text
    session.send(b'BDAT %d LAST\r\n' % (len(octets) - half) + octets[half:])
    return session.getreply()


def deliver(session, mail, octets):
    """MAIL, RCPT, message; the first refusal that ends it, or the last reply."""
    reply = session.say(f'MAIL FROM:<{mail.sender}>')
    if reply[0] != 250:
        return reply
    replies = [session.say(f'RCPT TO:<{recipient}>') for recipient in mail.recipients]
    if not any(code == 250 for code, _ in replies):
        return replies[-1]
    if mail.how == 'hangs_up':
        session.close()
        return 0, 'hung up after RCPT'
    if mail.how == 'bdat':
        return chunked(session, octets)
    code, text = session.say('DATA')
    if code != 354:
        return code, text
    session.send(re.sub(rb'(?m)^\.', b'..', octets) + b'.\r\n')
    return session.getreply()


def send(mail, number, port, keys):
    """(code, text) of what became of one message."""
    if mail.how == 'http':
        with socket.create_connection(('127.0.0.1', port), 10) as raw:
            raw.sendall(b'GET / HTTP/1.1\r\nHost: mx.example.test\r\n\r\n')
            answer = b''
            while piece := raw.recv(4096):
                answer += piece
        return 521, answer.decode(errors='replace').strip().splitlines()[-1][4:]
    octets = compose(mail, number, keys)
    if mail.how == 'bare_newline':
        octets = octets[:-20] + b'a bare\nnewline\r\n'
    if mail.how == 'many_hops':
        octets = b'Received: from a.example by b.example; Mon, 01 Jun 2026 10:00:00 +0000\r\n' * 101 + octets
    session = Session('127.0.0.1', port, timeout=MESSAGE_LIMIT_SECONDS)
    try:
        code, text = session.become(mail)
        if code == 250 and mail.how != 'hello_and_goodbye':
            code, text = deliver(session, mail, octets)
        if mail.how != 'hangs_up':
            session.quit()
    except smtplib.SMTPServerDisconnected as error:
        code, text = 0, str(error)
    finally:
        session.close()
    return code, text.decode(errors='replace') if isinstance(text, bytes) else text


def send_all(port, keys, progress):
    """Sends everything; calls progress(mail, code, text) for each. Returns {code: how many}."""
    counts = {}
    for number, mail in enumerate(world.MAILS, 1):
        code, text = send(mail, number, port, keys)
        counts[code] = counts.get(code, 0) + 1
        progress(mail, code, text)
    return counts
