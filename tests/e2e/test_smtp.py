"""Threats of the SMTP port: smuggling, injection, floods of commands, relaying, tricks with addresses, backscatter."""
import base64
import contextlib
import json
import os
import pathlib
import re
import socket
import threading
import time

from harness import (DOMAIN, MESSAGE, Server, Skip, Smtp, check, deliver, equal, mailbox_count, wait_until, Pop3)

HEAD = b'From: Ann <ann@sender.test>\r\nDate: Mon, 01 Jun 2026 10:00:00 +0000\r\nMessage-ID: <s@sender.test>\r\nSubject: s\r\n\r\n'
SMUGGLED = b'MAIL FROM:<evil@sender.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n' + HEAD + b'smuggled\r\n.\r\n'
# What some servers take for the end of data, and only CRLF.CRLF is (RFC 5321 section 4.1.1.4).
FALSE_ENDS = [b'\n.\n', b'\n.\r\n', b'\r\n.\n', b'\r.\r', b'\r.\r\n', b'\r\n.\r', b'\n.\r', b'\r.\n', b'\r\n\0.\r\n', b'\r\n.\0\r\n',
              b'\r\n.\r\r\n', b'\r\n..\r\n', b'\r\n. \r\n', b'\n\n.\n\n']
OPEN = [b'EHLO client.sender.test\r\n', b'MAIL FROM:<ann@sender.test>\r\n', b'RCPT TO:<alice@example.test>\r\n', b'DATA\r\n']


def replies_until_closed(client):
    codes = []
    while (reply := client.reply()).lines:
        codes.append(reply.code)
    return codes


def smuggle(server, pieces):
    """Sends the pieces as the data of one message, then QUIT; the codes after 354."""
    with Smtp(server) as client:
        for line in OPEN:
            client.send(line)
            last = client.reply()
        equal(last.code, 354, 'the reply to DATA')
        for piece in pieces:
            client.send_softly(piece)
            if len(pieces) > 1:
                time.sleep(0.002)  # a segment of its own; the outcome must not depend on it
        client.send_softly(b'QUIT\r\n')
        return replies_until_closed(client)


def test_mail_on_its_way_to_an_account_that_is_removed_is_not_kept_for_the_next_owner():
    with Server() as server, Smtp(server) as client:
        client.hello()
        client.expect('MAIL FROM:<ann@sender.test>', 250)
        client.expect('RCPT TO:<alice@example.test>', 250)
        client.expect('RCPT TO:<bob@example.test>', 250)
        client.expect('DATA', 354)
        server.command('account', 'delete', 'alice@example.test')
        client.send(MESSAGE + b'.\r\n')
        reply = client.reply()
        equal(reply.code, 451, 'mail for an account that is gone')
        equal(server.explain(reply.id)['rule'], 'builtin:store', 'the rule')
        equal(mailbox_count(server, 'bob@example.test'), 0, 'messages of the other recipient')
        equal(client.send_mail('ann@sender.test', ['alice@example.test']).code, 550, 'the next try')
        server.add_account('alice')
        equal(mailbox_count(server), 0, 'messages of the next owner')


def test_a1_no_false_end_of_data_smuggles_a_message():
    with Server() as server:
        had = 0
        for end in FALSE_ENDS:
            codes = smuggle(server, [HEAD + b'outer' + end + SMUGGLED])
            now = mailbox_count(server)
            check(now - had <= 1, f'{end!r} made {now - had} messages of one DATA, replies {codes}')
            # Either our one final reply and QUIT's, or a hang-up; never the replies of a smuggled transaction.
            check(354 not in codes, f'{end!r} began a second DATA: {codes}')
            if now - had == 1:
                with Pop3(server) as pop:
                    text = '\r\n'.join(pop.many(f'RETR {now}'))
                check('outer' in text and 'MAIL FROM:<evil' in text, f'{end!r} was taken apart: {text[-300:]}')
            had = now


def test_a1_the_end_of_data_may_be_split_at_every_octet():
    body = HEAD + b'split\r\n.\r\n'
    with Server() as server:
        for cut in range(len(body) - 8, len(body)):
            equal(smuggle(server, [body[:cut], body[cut:]])[0], 250, f'cut at {cut}')
        equal(mailbox_count(server), 8, 'messages')
        for end in (b'\n.\n', b'\r.\r', b'\n.\r\n'):
            text = HEAD + b'outer' + end + SMUGGLED
            at = len(HEAD) + 5
            for cut in range(at, at + len(end) + 1):
                codes = smuggle(server, [text[:cut], text[cut:]])
                check(354 not in codes and 250 not in codes, f'{end!r} cut at {cut - at}: {codes}')
        equal(mailbox_count(server), 8, 'messages after the false ends')


def test_a1_bare_line_ends_and_nul_are_refused_with_550():
    with Server() as server:
        for bad in (b'bare\nLF\r\n', b'bare\rCR\r\n', b'a\0nul\r\n'):
            codes = smuggle(server, [HEAD + bad + b'.\r\n'])
            equal(codes[0], 550, f'{bad!r}')
        equal(mailbox_count(server), 0, 'messages')


def test_a1_normalize_never_ends_data_either():
    listeners = [{'service': 'smtp', 'bare_newline': 'normalize'}, {'service': 'pop3'}]
    with Server(listeners) as server:
        codes = smuggle(server, [HEAD + b'outer\n.\n' + SMUGGLED])
        check(codes.count(250) == 1 and 354 not in codes, f'{codes}')
        equal(mailbox_count(server), 1, 'messages')


def test_a3_what_follows_starttls_in_clear_text_is_dropped():
    with Server() as server:
        for joined in (True, False):
            with Smtp(server) as client:
                client.hello()
                injected = b'STARTTLS\r\nMAIL FROM:<evil@sender.test>\r\nRCPT TO:<alice@example.test>\r\n'
                if joined:
                    client.send(injected)
                else:
                    for octet in injected:
                        if not client.send_softly(bytes([octet])):
                            break
                reply = client.reply()
                if reply.code != 220:  # refusing the whole is as good as forgetting the rest
                    check(client.closed(), f'{reply} and the connection stands')
                    continue
                try:
                    client.start_tls()
                except OSError:
                    continue
                reply = client.ask('RCPT TO:<alice@example.test>')
                check(reply.code == 503, f'the injected MAIL counts: {reply}')
                equal(client.ask('MAIL FROM:<ann@sender.test>').code, 503, 'MAIL before EHLO under TLS')


def test_a3_tls_forgets_what_was_said_before():
    with Server() as server, Smtp(server) as client:
        client.hello()
        client.expect('MAIL FROM:<ann@sender.test>', 250)
        reply = client.ask('STARTTLS')
        if reply.code == 503:
            client.expect('RSET', 250)
            reply = client.ask('STARTTLS')
        equal(reply.code, 220, 'STARTTLS')
        client.start_tls()
        equal(client.ask('RCPT TO:<alice@example.test>').code, 503, 'RCPT after TLS')
        reply = client.hello()
        check('STARTTLS' not in reply.text, 'STARTTLS is offered under TLS')
        equal(client.send_mail('ann@sender.test', ['alice@example.test']).code, 250, 'mail under TLS')


def test_a3_stls_in_pop3_drops_what_was_sent_in_clear_text():
    with Server() as server, Pop3(server, login=False) as client:
        client.send(b'STLS\r\nUSER alice@example.test\r\nPASS correct horse battery\r\n')
        answer = client.line()
        if answer and answer.startswith('+OK'):
            try:
                client.start_tls()
            except OSError:
                return
            answer = client.ask('STAT')
            check(answer is None or answer.startswith('-ERR'), f'the injected login counts: {answer}')


CHUNKED = (b'EHLO x\r\nMAIL FROM:<ann@sender.test>\r\nRCPT TO:<alice@example.test>\r\nBDAT %d LAST\r\n' % len(MESSAGE)) + MESSAGE


def test_a5_http_is_hung_up_on():
    with Server() as server:
        for line in (b'GET / HTTP/1.1\r\nHost: mx.example.test\r\n\r\n', b'POST / HTTP/1.1\r\nContent-Length: 900\r\n\r\n' + b''.join(OPEN),
                     b'CONNECT mx.example.test:25 HTTP/1.1\r\n\r\n',
                     b'POST /' + b'a' * 3000 + b' HTTP/1.1\r\nHost: mx.example.test\r\n\r\n' + CHUNKED,
                     b'GET / HTTP/1.1\nHost: mx.example.test\r\n' + CHUNKED, b'PROPFIND / HTTP/1.1\r\n' + CHUNKED, b' GET /\r\n' + CHUNKED):
            with Smtp(server) as client:
                client.send(line)
                codes = replies_until_closed(client)
                equal(codes[:1], [521], line[:20])
                equal(len(codes), 1, 'replies')
        equal(mailbox_count(server), 0, 'messages')


def test_a5_input_between_data_and_354_is_refused_and_dropped():
    with Server() as server, Smtp(server) as client:
        client.hello()
        client.send(b'MAIL FROM:<ann@sender.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n' + MESSAGE + b'.\r\n')
        codes = replies_until_closed(client)
        equal(codes, [250, 250, 521], 'replies')
        equal(mailbox_count(server), 0, 'messages')


def behaviour(server, reply):
    return server.explain(reply.id)['facts'].get('client.behaviour')


def test_a5_an_early_talker_is_noticed_without_any_wait():
    """What follows a PROXY header in the same segment is in the socket before the banner can be."""
    header = b'PROXY TCP4 203.0.113.9 192.0.2.1 40000 25\r\n'
    with Server([{'service': 'smtp', 'proxy': ['127.0.0.0/8']}], rules=None) as server:
        for early, want in ((b'EHLO client.sender.test\r\n', ['early_talker']), (b'', [])):
            with Smtp(server, banner=False) as client:
                client.send(header + early)
                equal(client.reply().code, 220, 'the banner')
                if early:
                    equal(client.reply().code, 250, 'EHLO')
                else:
                    client.hello()
                reply = client.send_mail('ann@sender.test', ['alice@example.test'])
                equal(behaviour(server, reply), want, 'client.behaviour')
                points = [hit['points'] for hit in server.explain(reply.id)['hits'] if hit['rule'] == 'impatient']
                equal(points, [3] if early else [], 'points of the shipped rule')


WAITING = """[thresholds]
junk = 5
reject = 12
[[rule]]
id = "asks-the-dns-at-data"
at = "data"
when = 'spf.result == fail'
then = "reject"
"""


def talk_before_354(client, domain):
    """DATA in a segment of its own, and the text while a rule at DATA waits for SPF. The codes from then on."""
    client.hello()
    client.expect(f'MAIL FROM:<ann@{domain}>', 250)
    client.expect('RCPT TO:<alice@example.test>', 250)
    client.send(b'DATA\r\n')
    time.sleep(0.3)  # the outcome must not depend on it
    client.send_softly(HEAD + b'early\r\n.\r\n' + SMUGGLED)
    return replies_until_closed(client)


def test_a5_input_while_data_waits_for_its_facts_is_refused_and_dropped():
    domains = {False: 'one.test', True: 'two.test'}
    with Server(rules=WAITING, zone={(domain, 'TXT'): 'v=spf1 +all' for domain in domains.values()}) as server:
        server.dns.faults = {domain: 'slow:1.5' for domain in domains.values()}
        for tls, domain in domains.items():
            with Smtp(server) as client:
                if tls:
                    client.hello()
                    client.expect('STARTTLS', 220)
                    client.start_tls()
                equal(talk_before_354(client, domain), [521], 'the codes after DATA' + ' under TLS' * tls)
        server.dns.faults = {}
        equal(deliver(server).code, 250, 'who waits')
        equal(mailbox_count(server), 1, 'messages')


def test_a5_pipelining_that_was_not_offered_is_noticed():
    """RFC 2920 section 3.1: the commands that end a group, and all of them after HELO."""
    with Server() as server:
        for early in (b'EHLO a.test\r\nNOOP\r\n', b'HELO a.test\r\nNOOP\r\n', b'EHLO a.test\r\n|NOOP\r\nRSET\r\n',
                      b'EHLO a.test\r\n|VRFY x\r\nRSET\r\n', b'HELO a.test\r\n|RSET\r\nRSET\r\n'):
            with Smtp(server) as client:
                for group in early.split(b'|'):
                    client.send(group)
                    for _ in range(group.count(b'\r\n')):
                        client.reply()
                reply = client.send_mail('ann@sender.test', ['alice@example.test'])
                equal(behaviour(server, reply), ['unauthorised_pipelining'], f'{early!r}')
        with Smtp(server) as client:
            client.hello()
            client.send(b'MAIL FROM:<ann@sender.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n')
            equal([client.reply().code for _ in range(3)], [250, 250, 354], 'a group')
            client.send(MESSAGE + b'.\r\nRSET\r\nNOOP\r\n')
            equal(behaviour(server, client.reply()), [], 'of a client that keeps the order')


def test_a6_lies_about_the_size_of_a_chunk():
    with Server([{'service': 'smtp', 'limits': {'size': 100000}}, {'service': 'pop3'}]) as server:
        for argument in ('-1', '99999999999999999999999', '18446744073709551615', '18446744073709551616', '0x10', '', 'LAST', '10 FIRST',
                         '1e3', ' 5'):
            with Smtp(server) as client:
                client.hello()
                client.expect('MAIL FROM:<ann@sender.test>', 250)
                client.expect('RCPT TO:<alice@example.test>', 250)
                client.send_softly(f'BDAT {argument}\r\n')
                reply = client.reply()
                check(reply.code in (501, 552, 521, 500), f'BDAT {argument}: {reply}')
        with Smtp(server) as client:
            client.hello()
            client.send(b'BDAT 10 LAST\r\n0123456789')
            equal(client.reply().code, 503, 'BDAT outside a transaction')
            client.expect('NOOP', 250)  # the octets were the chunk's, not commands
        equal(mailbox_count(server), 0, 'messages')


def test_a6_what_follows_a_bad_chunk_size_later_is_no_command():
    with Server() as server:
        for line, code in (('BDAT abc', 501), ('BDAT 18446744073709551616 LAST', 552), ('BDAT', 501), ('BDAT 8 LASTLY', 501)):
            with Smtp(server) as client:
                client.hello()
                client.expect('MAIL FROM:<ann@sender.test>', 250)
                client.expect('RCPT TO:<alice@example.test>', 250)
                client.send(b'BDAT 8\r\na: b\r\n\r\n')
                equal(client.reply().code, 250, 'a chunk')
                client.expect(line, code)
                client.send_softly(b'BDAT 2 LAST\r\n\r\nRSET\r\n' + CHUNKED)
                equal(replies_until_closed(client), [], f'what follows {line}')
        equal(mailbox_count(server), 0, 'messages')


def test_a6_chunks_are_octets_and_nothing_else():
    body = HEAD + b'RSET\r\n.\r\nQUIT\r\nend\r\n'
    with Server() as server, Smtp(server) as client:
        client.hello()
        client.expect('MAIL FROM:<ann@sender.test>', 250)
        client.expect('RCPT TO:<alice@example.test>', 250)
        for start in range(0, len(body), 7):
            piece = body[start:start + 7]
            client.send(b'BDAT %d\r\n' % len(piece) + piece)
            equal(client.reply().code, 250, f'chunk at {start}')
        client.send(b'BDAT 0 LAST\r\n')
        equal(client.reply().code, 250, 'last chunk')
        with Pop3(server) as pop:
            check(pop.messages()[0].endswith(body.decode()), 'the message is not what the chunks held')


def test_a6_a_flood_of_empty_chunks_and_one_over_the_size_limit():
    with Server([{'service': 'smtp', 'limits': {'size': 100000}}, {'service': 'pop3'}]) as server:
        with Smtp(server) as client:
            client.hello()
            client.expect('MAIL FROM:<ann@sender.test>', 250)
            client.expect('RCPT TO:<alice@example.test>', 250)
            client.send(b'BDAT 60000\r\n' + b'x' * 60000)
            equal(client.reply().code, 250, 'the first chunk')
            client.send_softly(b'BDAT 60000 LAST\r\n' + b'x' * 60000)
            equal(client.reply().code, 552, 'the chunk that breaks the limit')
        with Smtp(server) as client:
            client.hello()
            client.expect('MAIL FROM:<ann@sender.test>', 250)
            client.expect('RCPT TO:<alice@example.test>', 250)
            before = server.cpu_seconds()
            for _ in range(200):
                if not client.send_softly(b'BDAT 0\r\n' * 50):
                    break
            codes = replies_until_closed(client) if client.send_softly(b'QUIT\r\n') else []
            check(server.cpu_seconds() - before < 10, 'empty chunks cost too much')
            check(set(codes) <= {250, 221, 421, 503, 521}, f'{set(codes)}')
        equal(mailbox_count(server), 0, 'messages')


def test_a7_long_lines_and_binary_rubbish():
    with Server() as server:
        before = server.resident_kib()
        with Smtp(server) as client:
            client.send_softly(b'A' * 10_000_000 + b'\r\n')
            code = client.reply().code
            check(code in (500, 421, 521, 0), f'{code}')
        for rubbish in (b'EHLO a\0b\r\n', b'EHLO \xff\xfe\r\n', b'MAIL FROM:<a\r@b>\r\n', b'NOOP\n', b'NOOP\r', b'\xf4\xff\xfd\x06\r\n'):
            with Smtp(server) as client:
                client.send_softly(rubbish + b'\r\n')
                reply = client.reply()
                check(reply.code >= 421, f'{rubbish!r}: {reply}')
        for line in (b'EHLO x', b'MAIL FROM:<>\nNOOP'):
            with Smtp(server) as client:
                client.send(line + b'\n')  # and no CRLF ever
                reply = client.reply()
                equal((reply.code, reply.enhanced), (550, '5.5.2'), f'{line!r} and LF alone')
        check(server.resident_kib() - before < 100_000, 'memory grew by more than 100 MB')
        equal(deliver(server).code, 250, 'mail afterwards')


def test_a7_a_session_ends_after_too_many_errors():
    with Server([{'service': 'smtp', 'limits': {'errors': 20}}, {'service': 'pop3'}]) as server:
        for line in ('BOGUS', 'RCPT TO:<alice@example.test>', 'DATA', 'MAIL FROM:bogus'):
            with Smtp(server) as client:
                client.hello()
                codes = []
                for _ in range(40):
                    reply = client.ask(line)
                    codes.append(reply.code)
                    if reply.code in (421, 0):
                        break
                check(421 in codes and len(codes) <= 22, f'{line}: {codes}')
        for line in ('NOOP', 'RSET', 'VRFY alice'):
            with Smtp(server) as client:
                client.hello()
                client.send_softly((line + '\r\n').encode() * 5000)
                codes = replies_until_closed(client)
                check(421 in codes and len(codes) < 5000, f'{line}: {len(codes)} answers')


def test_a8_parameters_of_mail_and_rcpt():
    bad_mail = ['SIZE=', 'SIZE=-1', 'SIZE=99999999999999999999999', 'SIZE=1x', 'BODY=BINARYMIME', 'BODY=', 'FOO=BAR', 'SIZE=1 SIZE=2',
                'AUTH=<x', 'ENVID=+ZZ', 'RET=HDRS', 'SMTPUTF8=1', 'SIZE', '=', '8BITMIME', 'SIZE=1\x01']
    bad_rcpt = ['ORCPT=rfc822;a+0Ab', 'NOTIFY=NEVER', 'FOO', 'ORCPT=', 'RRVS=1', 'x=' + 'y' * 3000]
    with Server() as server:
        for parameter in bad_mail:
            with Smtp(server) as client:
                client.hello()
                reply = client.ask(f'MAIL FROM:<ann@sender.test> {parameter}')
                check(reply.code in (500, 501, 504, 552, 555), f'{parameter}: {reply}')
        for parameter in bad_rcpt:
            with Smtp(server) as client:
                client.hello()
                client.expect('MAIL FROM:<ann@sender.test>', 250)
                reply = client.ask(f'RCPT TO:<alice@example.test> {parameter}')
                check(reply.code in (500, 501, 504, 555), f'{parameter[:40]}: {reply}')


def test_a8_what_is_refused_for_its_parameters_names_whom_it_was_of():
    with Server() as server:
        with Smtp(server) as client:
            client.hello()
            refused = client.ask('MAIL FROM:<big@sender.test> SIZE=99999999999')
            equal(refused.code, 552, refused.text)
        record = server.explain(refused.id)
        equal((record['from'], record['verdict'], record['stage'], record['rule']), ('big@sender.test', 'reject', 'mail', 'builtin:limit'), 'MAIL')
        with Smtp(server) as client:
            client.hello()
            refused = client.ask('MAIL FROM:<> FOO=BAR')
            equal(refused.code, 555, refused.text)
        equal(server.explain(refused.id)['from'], '', 'the null path')
        with Smtp(server) as client:
            client.hello()
            refused = client.ask('MAIL FROM:<a@b@c>')
            equal(refused.code, 501, refused.text)
        equal(server.explain(refused.id)['from'], None, 'what is no path')
        with Smtp(server) as client:
            client.hello()
            client.expect('MAIL FROM:<ann@sender.test>', 250)
            refused = client.ask('RCPT TO:<alice@example.test> NOTIFY=NEVER')
            equal(refused.code, 555, refused.text)
        record = server.explain(refused.id)
        equal((record['to'], record['recipients'][0]['rule']), (['alice@example.test'], 'builtin:protocol'), 'RCPT')
        check(re.search(r'555 5\.5\.4 .*to=<alice@example\.test>', server.log_text()), 'the log of RCPT')
        check(re.search(r'552 5\.3\.4 .*from=<big@sender\.test>', server.log_text()), 'the log of MAIL')
        for term in ('from:big@sender.test', 'to:alice@example.test'):
            equal(len(server.command('log', term, '--json').stdout.splitlines()), 1, term)
        said = json.loads(server.command('whatif', '--json', '--exact').stdout.splitlines()[-1])['summary']
        equal((said['changed'], said['undecidable'], said['differences']), (0, 0, 0), 'the same rules')


def test_a9_recipients_are_limited_and_cost_nothing_afterwards():
    with Server([{'service': 'smtp', 'limits': {'recipients': 100, 'errors': 100000}}, {'service': 'pop3'}],
                tables='', aliases='\n'.join(f'user{i} alice@example.test' for i in range(3000))) as server, Smtp(server) as client:
        client.hello()
        client.expect('MAIL FROM:<ann@sender.test>', 250)
        codes = [client.ask(f'RCPT TO:<user{i}@example.test>').code for i in range(101)]
        equal(codes[:100], [250] * 100, 'the first hundred')
        equal(codes[100], 452, 'one more')
        before = server.resident_kib()
        for start in range(101, 3000, 100):
            client.send_softly(''.join(f'RCPT TO:<user{i}@example.test>\r\n' for i in range(start, start + 100)))
            for _ in range(100):
                if (reply := client.reply()).code not in (452, 421):
                    raise AssertionError(f'{reply}')
                if reply.code == 421:
                    return
        check(server.resident_kib() - before < 20_000, 'refused recipients are kept in memory')


RELAY_PROBES = [
    'x@relay.test', 'x@relay.test.', '"x@relay.test"', '"x@relay.test"@example.test', 'x%relay.test@example.test',
    '"x%relay.test"@example.test', 'x%relay.test', '"x%relay.test"@[127.0.0.1]', 'x%relay.test@[127.0.0.1]', 'x@relay.test@example.test',
    'x@relay.test@[127.0.0.1]', '@example.test:x@relay.test', '@[127.0.0.1]:x@relay.test', '@mx.example.test,@a.test:x@relay.test',
    'relay.test!x', 'relay.test!x@example.test', 'relay.test!x@[127.0.0.1]', 'x@[192.0.2.1]', 'x@[IPv6:2001:db8::1]', 'x\\@relay.test',
    '"x\\\0"@relay.test', '""x@relay.test""', 'alice@example.test.relay.test', 'alice@sub.example.test', 'alice@[IPv6:::1]', '',
    'x@EXAMPLE.test.', 'x@xn--.example.test', '@example.test', 'alice@example.test,x@relay.test',
]


def test_a10_nothing_is_relayed():
    with Server(listeners=[{'service': 'smtp', 'limits': {'errors': 10000}}, {'service': 'pop3'}]) as server:
        for sender in ('ann@sender.test', '', 'alice@example.test', 'root@[127.0.0.1]', 'relay@mx.example.test'):
            for probe in RELAY_PROBES:
                with Smtp(server) as client:
                    client.hello()
                    if client.ask(f'MAIL FROM:<{sender}>').code != 250:
                        continue
                    reply = client.ask(f'RCPT TO:<{probe}>'.encode('latin-1'))
                    check(500 <= reply.code < 560, f'from {sender!r} to {probe!r}: {reply}')
                    check(client.ask('DATA').code in (503, 554), 'DATA without a recipient')
        with Smtp(server) as client:
            client.hello()
            check(client.ask('ETRN relay.test').code in (500, 502), 'ETRN')


def test_a_bad_proxy_header_is_counted_and_logged():
    with Server([{'service': 'smtp', 'proxy': ['127.0.0.0/8']}]) as server:
        for octets in (b'EHLO mx.example\r\n', b'PROXY TCP4 nonsense\r\n', b'PROXY '):
            with socket.create_connection(('127.0.0.1', server.port('smtp')), timeout=20) as client:
                client.sendall(octets)
                client.shutdown(socket.SHUT_WR)
                equal(client.recv(100), b'', 'answer')
        wait_until(lambda: json.loads(server.command('status', '--json').stdout)['bad_proxy'] == 3, 'the count')
        check('bad_proxy' in server.command('status').stdout, 'status')
        lines = [line for line in server.log_text().splitlines() if 'PROXY header' in line]
        check(1 <= len(lines) <= 3, f'lines: {lines}')
        check('header=malformed' in lines[0] and 'peer=<127.0.0.1>' in lines[0] and 'listener=<smtp ' in lines[0], lines[0])


def test_a10_xclient_is_for_listed_networks_only():
    with Server([{'service': 'smtp', 'xclient': ['192.0.2.0/24']}, {'service': 'pop3'}]) as server, Smtp(server) as client:
        check('XCLIENT' not in client.hello().text, 'XCLIENT is offered to a stranger')
        check(client.ask('XCLIENT ADDR=127.0.0.1 NAME=localhost').code in (500, 502, 550, 503), 'XCLIENT from a stranger')
        check(client.ask('XFORWARD ADDR=127.0.0.1').code in (500, 502), 'XFORWARD')


def test_a10_xclient_begins_a_new_session():
    with Server() as server, Smtp(server) as client:
        check('XCLIENT' in client.hello().text, 'XCLIENT is not offered')
        client.expect('MAIL FROM:<ann@sender.test>', 250)
        equal(client.ask('XCLIENT ADDR=203.0.113.5').code, 503, 'XCLIENT inside a transaction')
        client.expect('RSET', 250)
        for bad in ('ADDR=', 'ADDR=1.2.3', 'BOGUS=1', 'ADDR=IPV6:zz', 'NAME=a+0', ''):
            equal(client.ask(f'XCLIENT {bad}').code, 501, f'XCLIENT {bad}')
        client.expect('XCLIENT ADDR=IPV6:2001:db8::5 NAME=host+2Esender.test', 220)
        equal(client.ask('MAIL FROM:<ann@sender.test>').code, 503, 'MAIL before EHLO after XCLIENT')
        client.hello()
        reply = client.send_mail('ann@sender.test', ['alice@example.test'])
        equal(reply.code, 250, 'mail')
        equal(server.explain(reply.id)['client']['ip'], '2001:db8::5', 'client.ip')


LOCAL_PARTS = ['../../etc/passwd', '"../../etc/passwd"', '', '""', 'a' * 65, 'a' * 300, '"a b"', '"|cmd"', '|cmd', ':include:/etc/passwd',
               '-oQ/tmp', '"-f"', 'alice\\', '.alice', 'alice.', 'al..ice', '"alice', 'al\x7fice', 'alice\t', '"a\\', '$(id)', '`id`', '%n%n']


def test_a10_an_address_that_xclient_does_not_know_hits_nothing():
    rules = '''
[[rule]]
id = "private"
when = 'client.ip in "0.0.0.0/8"'
then = "reject"
why = "no"

[[rule]]
id = "spf-fail"
when = 'spf.result == "fail"'
then = "reject"
why = "no"
'''
    with Server(rules=rules, zone={('sender.test', 'TXT'): ['v=spf1 -all']}) as server:
        for value in ('[UNAVAILABLE]', '[TEMPUNAVAIL]'):
            with Smtp(server) as client:
                client.hello('relay.test')
                client.expect(f'XCLIENT ADDR={value} NAME={value} PORT={value} HELO=client.sender.test', 220)
                client.hello('relay.test')
                reply = client.send_mail('ann@sender.test', ['alice@example.test'])
                equal(reply.code, 250, value)
            record = server.explain(reply.id)
            equal((record['client']['ip'], record['client']['helo']), (None, 'client.sender.test'), f'client of {value}')
            facts = record['facts']
            equal('unknown' in (facts.get('client.ip') or {}), value == '[TEMPUNAVAIL]', f'client.ip of {value} is unknown')
            want = ('temperror', 'temperror') if value == '[TEMPUNAVAIL]' else (None, 'none')
            equal((facts.get('iprev.result'), facts['spf.result']), want, f'facts of {value}')
            equal(facts.get('helo.form'), 'fqdn', f'helo.form of {value}')


def test_a10_xclient_is_counted_and_waits_as_anyone():
    with Server([{'service': 'smtp', 'xclient': ['127.0.0.0/8'], 'limits': {'per_ip': 2, 'greet_wait': '1s'}}]) as server:
        def become(address):
            client = Smtp(server)
            client.hello('relay.test')
            return client, client.ask(f'XCLIENT ADDR={address}')
        clients = [become('203.0.113.7') for _ in range(3)]
        equal([reply.code for _, reply in clients], [220, 220, 421], 'three of one address')
        check(clients[2][0].closed(), 'the third is kept')
        clients[0][0].close()
        wait_until(lambda: become('203.0.113.7')[1].code == 220, 'a place that is free again')
        with Smtp(server) as client:
            client.hello('relay.test')
            client.send('XCLIENT ADDR=203.0.113.9\r\nEHLO early.test\r\n')
            equal(client.reply().code, 220, 'banner')
            equal(client.reply().code, 250, 'EHLO')
            reply = client.send_mail('ann@sender.test', ['alice@example.test'])
            check('early_talker' in server.explain(reply.id)['facts']['client.behaviour'], 'the early talker was not seen')


def test_a_refusal_in_place_of_the_banner_waits_for_quit():
    rules = '''
[[rule]]
id = "never"
when = 'client.ip in "203.0.113.0/24"'
then = "reject"
answer = "now"
why = "no"
'''
    with Server(rules=rules) as server, Smtp(server) as client:
        client.hello('relay.test')
        reply = client.ask('XCLIENT ADDR=203.0.113.7')
        equal(reply.code, 554, 'banner')
        record = server.explain(reply.id)
        equal((record['rule'], record['stage'], record['reply']['code']), ('never', 'connect', 554), 'record')
        for line in ('EHLO client.test', 'MAIL FROM:<ann@sender.test>', 'NOOP'):
            client.expect(line, 503)
        client.expect('QUIT', 221)
        check(client.closed(), 'the session goes on')


def test_a6_a_chunk_far_over_the_limit_is_answered_before_the_end():
    with Server([{'service': 'smtp', 'limits': {'size': 100_000}}]) as server:
        # 150,000 octets are passed over and the session goes on; of 1 MB some is, and the reply comes through.
        for octets, goes_on in ((150_000, True), (1_000_000, False)):
            with Smtp(server) as client:
                client.hello()
                client.expect('MAIL FROM:<ann@sender.test>', 250)
                client.expect('RCPT TO:<alice@example.test>', 250)
                check(client.send_softly(f'BDAT {octets} LAST\r\n'.encode() + b'x' * octets), 'the chunk was not taken')
                reply = client.reply()
                equal((reply.code, reply.enhanced), (552, '5.3.4'), f'{octets} octets')
                if goes_on:
                    client.expect('NOOP', 250)
                else:
                    check(client.closed(), 'the session goes on')


def test_data_far_over_the_limit_is_answered_before_the_end():
    with Server([{'service': 'smtp', 'limits': {'size': 100_000}}]) as server:
        for octets, goes_on in ((150_000, True), (1_000_000, False)):
            with Smtp(server) as client:
                client.hello()
                client.expect('MAIL FROM:<ann@sender.test>', 250)
                client.expect('RCPT TO:<alice@example.test>', 250)
                client.expect('DATA', 354)
                client.send_softly((b'x' * 98 + b'\r\n') * (octets // 100) + b'.\r\n' * goes_on)
                reply = client.reply()
                equal((reply.code, reply.enhanced), (552, '5.3.4'), f'{octets} octets')
                if goes_on:
                    client.expect('NOOP', 250)
                else:
                    check(client.closed(), 'the session goes on')


LATE = """[thresholds]
junk = 5
reject = 12
[[rule]]
id = "not-from-there"
when = 'mail.domain == "spam.test"'
then = "%s"
why = "no"
"""


def test_late_answers_come_when_the_message_is_there():
    for action, code in (('reject', 550), ('defer', 451)):
        with Server([{'service': 'smtp', 'late': 'data'}], rules=LATE % action) as server:
            for begin, more in ((b'DATA\r\n', b'a: b\r\n.\r\n'), (b'BDAT 6\r\na: b\r\n', b'BDAT 0 LAST\r\n')):
                with Smtp(server) as client:
                    client.hello()
                    client.expect('MAIL FROM:<ann@spam.test>', 250)
                    client.expect('RCPT TO:<alice@example.test>', 250)
                    client.send(begin)
                    check(client.reply().code in (354, 250), f'{begin[:4]} is refused')
                    client.send(more)
                    reply = client.reply()
                    equal(reply.code, code, f'{begin[:4]}')
                    record = server.explain(reply.id)
                    equal((record['rule'], record['stage'], record['reply']['code']), ('not-from-there', 'end', code), 'the record')
                    client.expect('MAIL FROM:<ann@sender.test>', 250)
                    client.expect('RCPT TO:<alice@example.test>', 250)
                    client.expect('DATA', 354)


def test_disconnect_ends_the_session_at_the_end_of_data_too():
    rules = LATE.replace('mail.domain == "spam.test"', 'message.size > 1') % 'disconnect'
    with Server(rules=rules) as server, Smtp(server) as client:
        client.hello()
        reply = client.send_mail('ann@sender.test', ['alice@example.test'])
        check(reply.code >= 421, f'{reply}')
        equal(server.explain(reply.id)['verdict'], 'disconnect', 'verdict')
        check(client.closed(), 'the session goes on')


def test_after_refusals_for_now_a_pipelined_data_is_refused_for_now():
    with Server(rules=LATE % 'defer') as server, Smtp(server) as client:
        client.hello()
        client.send(b'MAIL FROM:<ann@spam.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n')
        equal([client.reply().code for _ in range(3)], [250, 451, 451], 'replies')


def test_xclient_names_the_client():
    rules = LATE.replace('mail.domain == "spam.test"', 'client.name == "host.spam.test"') % 'reject'
    zone = {('9.113.0.203.in-addr.arpa', 'PTR'): 'real.sender.test', ('real.sender.test', 'A'): '203.0.113.9'}
    with Server(rules=rules, zone=zone) as server:
        for name, code, want in (('host.spam.test', 550, 'host.spam.test'), ('other.test', 250, 'other.test'),
                                 ('[UNAVAILABLE]', 250, 'real.sender.test'), ('[TEMPUNAVAIL]', 250, 'real.sender.test')):
            with Smtp(server) as client:
                client.become('203.0.113.9', name)
                client.hello()
                reply = client.send_mail('ann@sender.test', ['alice@example.test'])
                equal(reply.code, code, name)
                record = server.explain(reply.id)
                equal((record['facts'].get('client.name'), record['client']['name'], record['facts'].get('iprev.result')),
                      (want, want, 'pass'), name)
        with Pop3(server) as pop:
            received = [re.search(r'Received: from \S+ \((\S+) ', text)[1] for text in pop.messages()]
            equal(received, ['other.test', 'real.sender.test', 'real.sender.test'], 'Received')


def test_xclient_from_a_stranger_is_on_the_record():
    with Server([{'service': 'smtp', 'xclient': ['192.0.2.0/24']}]) as server, Smtp(server) as client:
        client.hello()
        reply = client.expect('XCLIENT ADDR=127.0.0.1 NAME=localhost', 550)
        equal(server.explain(reply.id)['reply']['code'], 550, 'the record')
        check(f'id={reply.id}' in server.log_text(), 'no line in the log')


def test_after_xclient_nothing_of_the_greeting_is_left():
    with Server(rules=LATE.replace('mail.domain == "spam.test"', 'true') % 'reject') as server, Smtp(server) as client:
        client.become('203.0.113.9')
        reply = client.expect('GET / HTTP/1.1', 521)
        line = next(line for line in server.log_text().splitlines() if reply.id in line)
        check('proto=SMTP helo=<>' in line, line)


def test_xclient_begins_a_session_under_the_rules_in_force():
    with Server() as server, Smtp(server) as client, Smtp(server) as other:
        for each in (client, other):
            each.hello()
            equal(each.send_mail('ann@spam.test', ['alice@example.test']).code, 250, 'the old rules')
        (server.folder / 'rules/rules.toml').write_text(LATE % 'reject')
        server.reload()
        wait_until(lambda: 'reloaded' in server.log_text(), 'the reload')
        equal(other.send_mail('ann@spam.test', ['alice@example.test']).code, 250, 'a session keeps its rules')
        client.expect('XCLIENT ADDR=203.0.113.9', 220)
        client.hello()
        equal(client.send_mail('ann@spam.test', ['alice@example.test']).code, 550, 'the new rules')


def test_a11_names_in_unicode_have_one_mailbox():
    tables = '[[domain]]\nname = "xn--bcher-kva.test"\ndeliver = "store"\n'
    with Server(tables=tables, accounts=('alice', 'a@bücher.test', 'rené@example.test')) as server:
        listed = server.command('account', 'list').stdout
        check('a@xn--bcher-kva.test' in listed, listed)
        for recipient in ('a@bücher.test', 'A@BÜCHER.test', 'a@bu\u0308cher.test', 'a@xn--bcher-kva.test'):
            with Smtp(server) as client:
                client.hello()
                client.expect('MAIL FROM:<ann@sender.test> SMTPUTF8', 250)
                reply = client.ask(f'RCPT TO:<{recipient}>')
                equal(reply.code, 250, recipient)
        for recipient in ('rené@example.test', 'RENÉ@example.test', 'rene\u0301@example.test', 'René+list@example.test'):
            with Smtp(server) as client:
                client.hello()
                client.expect('MAIL FROM:<ann@sender.test> SMTPUTF8', 250)
                client.expect(f'RCPT TO:<{recipient}>', 250)
        with Smtp(server) as client:
            client.hello()
            client.expect('MAIL FROM:<ann@sender.test> SMTPUTF8', 250)
            for other in ('rene@example.test', 'a@buecher.test', 'a@bucher.test'):
                equal(client.ask(f'RCPT TO:<{other}>').code, 550, other)


def test_a11_local_parts_are_parsed_or_refused():
    with Server() as server:
        for local in LOCAL_PARTS:
            with Smtp(server) as client:
                client.hello()
                client.expect('MAIL FROM:<ann@sender.test>', 250)
                reply = client.ask(f'RCPT TO:<{local}@{DOMAIN}>')
                check(reply.code in (501, 550, 553, 500), f'{local!r}: {reply}')
        for octets in ('ａlice', 'al\u0131ce', 'a\u202elice', 'ali\u200bce', '\u00e9' * 40, 'alice\u0301'):
            with Smtp(server) as client:
                client.hello()
                client.expect('MAIL FROM:<ann@sender.test>', 250)
                check(client.ask(f'RCPT TO:<{octets}@{DOMAIN}>').code in (501, 553, 550, 500), f'{octets!r} without SMTPUTF8')
                client.ask('RSET')
                client.expect('MAIL FROM:<ann@sender.test> SMTPUTF8', 250)
                check(client.ask(f'RCPT TO:<{octets}@{DOMAIN}>').code in (501, 553, 550), f'{octets!r}')
            with Smtp(server) as client:
                client.hello()
                client.expect('MAIL FROM:<ann@sender.test>', 250)
                client.ask(b'RCPT TO:<\xc3\x28@example.test>')
        for same in ('alice', 'ALICE', '"alice"', '"a\\lice"', 'alice+tag', 'Alice+a/b', 'alice+|x'):
            with Smtp(server) as client:
                client.hello()
                client.expect('MAIL FROM:<ann@sender.test>', 250)
                client.expect(f'RCPT TO:<{same}@{DOMAIN}>', 250)


def test_a11_a_local_part_that_needs_quotes_has_them_wherever_it_is_written():
    quoted = '"alice+a b> (evil"@example.test'
    with Server() as server:
        reply = deliver(server, recipients=[quoted])
        equal(reply.code, 250, reply.text)
        record = server.explain(reply.id)
        equal((record['to'], record['recipients'][0]['address'], record['facts']['rcpt.address']), ([quoted], quoted, quoted), 'the record')
        equal(record['facts']['rcpt.local_part'], 'alice+a b> (evil', 'the local part itself')
        check('(evil"@example.test>' in server.log_text(), server.log_text())
        equal(len(server.command('log', f'to:{quoted}', '--json').stdout.splitlines()), 1, 'log to:')
        with Pop3(server) as client:
            head = ' '.join(line.strip() for line in client.many('TOP 1 0'))
        check(f'for <{quoted}>;' in head, head)


def test_a12_loops_end():
    with Server() as server:
        received = b'Received: from a.test by b.test; Mon, 01 Jun 2026 10:00:00 +0000\r\n'
        equal(deliver(server, message=received * 90 + MESSAGE).code, 250, '90 hops')
        reply = deliver(server, message=received * 101 + MESSAGE)
        equal((reply.code, reply.enhanced), (554, '5.4.6'), '101 hops')


OWN_RECEIVED_LIMIT = 5  # own_received_limit in server/visit.hpp


def test_a12_a_message_that_was_here_before_is_refused():
    own = b'Received: from a.test by MX.example.test (Mailwicket); Mon, 01 Jun 2026 10:00:00 +0000\r\n'
    others = b'Received: from mx.example.test by b.test; Mon, 01 Jun 2026 10:00:00 +0000\r\n'
    refused = (554, '5.4.6')
    with Server(aliases='staff alice\n') as server:
        for name, head, recipients, want in (
                ('as many own hops as there may be', own * OWN_RECEIVED_LIMIT, ['alice'], (250, '2.0.0')),
                ('one more', own * (OWN_RECEIVED_LIMIT + 1), ['alice'], refused),
                ('one more among those of others', (own + others) * (OWN_RECEIVED_LIMIT + 1), ['alice'], refused),
                ('hops of others', own * OWN_RECEIVED_LIMIT + others * 20, ['alice'], (250, '2.0.0')),
                ('delivered to the recipient', b'Delivered-To: alice@example.test\r\n', ['alice'], refused),
                ('in other letters', b'Delivered-To: <Alice@EXAMPLE.test>\r\n', ['alice'], refused),
                ('through an alias', b'Delivered-To: alice@example.test\r\n', ['staff'], refused),
                ('delivered to one of two', b'Delivered-To: bob@example.test\r\n', ['alice', 'bob'], refused),
                ('delivered to another', b'Delivered-To: bob@example.test\r\nDelivered-To: alice@b.test\r\n', ['alice'], (250, '2.0.0'))):
            reply = deliver(server, recipients=[f'{recipient}@{DOMAIN}' for recipient in recipients], message=head + MESSAGE)
            equal((reply.code, reply.enhanced), want, name)
            if want == refused:
                equal(server.explain(reply.id)['rule'], 'builtin:protocol', name)
        equal((mailbox_count(server), mailbox_count(server, 'bob@example.test')), (3, 0), 'messages')


def connections_from(server):
    """Peers of TCP connections that a server has or tries to have, its listeners' own apart: [(address in hexadecimal, port)]."""
    inodes = set()
    for entry in pathlib.Path(f'/proc/{server.pid()}/fd').iterdir():
        try:
            inodes.add(os.readlink(entry))
        except OSError:
            continue
    own = {port for ports in server.ports.values() for port in ports}
    rows = [line.split() for name in ('tcp', 'tcp6') for line in pathlib.Path(f'/proc/net/{name}').read_text().splitlines()[1:]]
    found = []
    for row in rows:
        (_, port), (peer, peer_port) = row[1].split(':'), row[2].split(':')
        if f'socket:[{row[9]}]' in inodes and int(port, 16) not in own:
            found.append((peer, int(peer_port, 16)))
    return found


A13_RULES = '''
[thresholds]
junk = 5
reject = 12
[[rule]]
id = "filtered"
when = 'message.size > 5000'
then = "reject"
why = "no"
'''


def test_a13_no_backscatter():
    # Where the victim's mail would have to go; MX leads there, and so would its address.
    mx = '127.0.0.77'
    zone = {('sender.test', 'MX'): '10 mx.sender.test', ('mx.sender.test', 'A'): mx, ('sender.test', 'A'): mx}
    with contextlib.ExitStack() as stack, Server(rules=A13_RULES, zone=zone) as server:
        sinks = []
        for port in (25, 465, 587):
            try:
                sinks.append(stack.enter_context(socket.create_server((mx, port))))
            except OSError as error:
                raise Skip(f'port {port} of {mx}: {error}') from error
            sinks[-1].setblocking(False)
        seen, stop = set(), threading.Event()

        def watch():
            while not stop.is_set():
                seen.update(connections_from(server))
                time.sleep(0.005)
        watching = threading.Thread(target=watch)
        watching.start()
        try:
            for sender in ('victim@sender.test', ''):
                with Smtp(server) as client:
                    client.hello()
                    client.expect(f'MAIL FROM:<{sender}>', 250)
                    reply = client.ask('RCPT TO:<nobody@example.test>')
                    equal((reply.code, reply.enhanced), (550, '5.1.1'), 'an unknown user')
                    check(reply.id, 'no id')
                    reply = client.ask('RCPT TO:<x@relay.test>')
                    equal((reply.code, reply.enhanced), (550, '5.7.1'), 'relaying')
                    client.expect('RSET', 250)
                    equal(client.send_mail(sender, ['alice@example.test', 'nobody@example.test']).code, 250, 'one of two')
                    equal(client.send_mail(sender, ['alice@example.test'], MESSAGE + b'x' * 5000 + b'\r\n').code, 550, 'what a rule refuses')
                    check(client.ask('VRFY alice').code in (252, 502), 'VRFY')
                    equal(client.ask('EXPN staff').code, 502, 'EXPN')
            with Smtp(server) as client:
                client.hello()
                client.expect('MAIL FROM:<victim@sender.test>', 250)
                client.expect('RCPT TO:<alice@example.test>', 250)
                client.expect('DATA', 354)
                server.command('account', 'delete', 'alice@example.test')
                client.send(MESSAGE + b'.\r\n')
                equal(client.reply().code, 451, 'an account that is gone meanwhile')
            time.sleep(2)  # whoever bounced would do so now
        finally:
            stop.set()
            watching.join()
        for sink in sinks:
            try:
                raise AssertionError(f'mail was sent out: {sink.accept()}')
            except BlockingIOError:
                pass
        elsewhere = {peer for peer in seen if peer[1] not in (0, server.dns.address[1])}
        check(not elsewhere, f'connections to the outside: {elsewhere}')


def test_the_id_is_the_last_word_of_every_final_reply():
    with Server() as server, Smtp(server) as client:
        client.hello()
        reply = client.send_mail('ann@sender.test', ['alice@example.test'])
        record = server.explain(reply.id)
        equal((record['id'], record['verdict'], record['stage']), (reply.id, 'accept', 'end'), 'record')
        equal([(r['address'], r['mailbox']) for r in record['recipients']], [('alice@example.test', 'INBOX')], 'recipients')
        client.expect('MAIL FROM:<ann@sender.test>', 250)
        refused = client.ask('RCPT TO:<nobody@example.test>')
        client.ask('QUIT')
        record = wait_until(lambda: [r for r in server.log() if r['id'] == refused.id], 'the refusal in the log')[0]
        equal((record['verdict'], record['rule']), ('reject', 'builtin:unknown-user'), 'the refusal')
        equal(server.command('explain', 'A' * 20, check_code=1).returncode, 1, 'an unknown id')


def test_mail_is_served_as_it_was_received():
    body = b'.leading dot\r\n..two\r\n' + base64.encodebytes(bytes(range(256)) * 20).replace(b'\n', b'\r\n') + b'\xe4\xf6\xfc\r\n.\r\n'[:5]
    message = HEAD + body
    with Server() as server:
        equal(deliver(server, message=message).code, 250, 'reply')
        with Pop3(server) as pop:
            pop.expect('RETR 1')
            octets = b''
            while not (pop.buffer.endswith(b'\r\n.\r\n')):
                pop.buffer += pop.socket.recv(65536)
            octets = pop.buffer[:-3].replace(b'\r\n..', b'\r\n.')
        check(octets.endswith(message), 'the message was changed')
        prefix = octets[:-len(message)]
        for field in (b'Return-Path: <ann@sender.test>', b'Received: ', b'Authentication-Results: mx.example.test'):
            check(field in prefix, f'{field!r} is missing in {prefix!r}')
