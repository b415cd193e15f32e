"""Threats of the POP3 port, and what an owner of a mailbox relies on."""
import ssl
import time

from harness import MESSAGE, PASSWORD, Pop3, Server, check, deliver, equal, mailbox_count


def failed_logins(user):
    """([answer], [seconds]) of three wrong passwords, on a server that has seen no other."""
    texts, times = [], []
    with Server() as server:
        for _ in range(2):
            with Pop3(server, login=False) as pop:
                texts.append(pop.ask(f'USER {user}'))
                start = time.monotonic()
                texts.append(pop.ask('PASS wrong'))
                times.append(time.monotonic() - start)
        with Pop3(server):
            pass  # the true owner is not locked out
    return texts, times


def test_d7_unknown_user_and_wrong_password_look_the_same():
    known, unknown = failed_logins('alice@example.test'), failed_logins('nobody@example.test')
    equal(known[0], unknown[0], 'the answers')
    check(all(text.startswith('-ERR') for text in known[0][1::2]), f'{known}')
    for a, b in zip(known[1], unknown[1]):
        check(abs(a - b) < max(0.5, 0.25 * max(a, b)), f'{known[1]} s for a known user, {unknown[1]} s for an unknown one')


def test_d7_failures_are_delayed_more_and_more():
    # 2 s, 4 s, 8 s, whatever else the machine does meanwhile.
    with Server() as server, Pop3(server, login=False) as pop:
        times = []
        for spelling in ('alice', '"alice"', '"a\\lice"'):
            pop.expect(f'USER {spelling}@example.test')
            start = time.monotonic()
            check((pop.ask('PASS wrong') or '').startswith('-ERR'), 'a wrong password')
            times.append(time.monotonic() - start)
        check(all(later > earlier + 1.5 for earlier, later in zip(times, times[1:])), f'{times}')


def test_a_password_of_any_length_that_is_taken_can_log_in():
    with Server() as server:
        longest = 'p' * 248
        result = server.command('account', 'passwd', 'alice@example.test', stdin=longest + 'p\n', check_code=64)
        check('248' in result.stderr and 'PASS' in result.stderr, f'message: {result.stderr}')
        with Pop3(server):
            pass  # the old one is still good
        server.command('account', 'passwd', 'alice@example.test', stdin=longest + '\n')
        with Pop3(server, password=longest) as pop:
            equal(pop.count(), 0, 'messages')


def test_no_login_without_tls_except_on_loopback():
    with Server([{'service': 'smtp'}, {'service': 'pop3', 'proxy': ['127.0.0.0/8']}]) as server:
        with Pop3.__new__(Pop3) as pop:
            super(Pop3, pop).__init__(server, service='pop3')
            pop.send('PROXY TCP4 203.0.113.9 192.0.2.1 40000 110\r\n')
            check((pop.line() or '').startswith('+OK'), 'no greeting')
            pop.ask('CAPA')
            check('USER' not in pop.body(), 'USER is offered in clear text')
            check((pop.ask('USER alice@example.test') or '').startswith('-ERR'), 'USER in clear text')
            pop.expect('STLS')
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            pop.socket = context.wrap_socket(pop.socket)
            pop.expect('USER alice@example.test')
            pop.expect(f'PASS {PASSWORD}')


def test_d10_a_dropped_connection_deletes_nothing():
    with Server() as server:
        for _ in range(3):
            equal(deliver(server).code, 250, 'reply')
        with Pop3(server) as pop:
            uids = pop.many('UIDL')
            pop.expect('DELE 1')
            pop.expect('DELE 2')
        equal(mailbox_count(server), 3, 'messages after a drop')
        with Pop3(server) as pop:
            equal(pop.many('UIDL'), uids, 'UIDL')
            pop.expect('DELE 2')
            pop.expect('RSET')
            pop.expect('DELE 1')
            check(pop.ask('RETR 1').startswith('-ERR'), 'a deleted message is served')
            pop.expect('QUIT')
        with Pop3(server) as pop:
            equal([line.split()[1] for line in pop.many('UIDL')], [line.split()[1] for line in uids[1:]], 'UIDL after QUIT')


def test_d8_a_session_of_a_deleted_account_gets_nothing_of_its_namesake():
    with Server() as server:
        deliver(server)
        with Pop3(server) as old:
            equal(old.count(), 1, 'messages of the old owner')
            server.command('account', 'delete', 'alice@example.test')
            server.add_account('alice', password='of the new owner')
            deliver(server, message=MESSAGE.replace(b'A body.', b'For the new owner.'))
            answer = old.ask('RETR 1')
            check(answer.startswith('-ERR'), f'the old session reads what the new owner got: {answer}')
            old.expect('DELE 1')
            answer = old.ask('QUIT')
            check(answer.startswith('-ERR'), f'the old session may delete: {answer}')
        with Pop3(server, password='of the new owner') as new:
            equal(new.count(), 1, 'messages of the new owner')
            check('For the new owner.' in new.many('RETR 1'), 'another message')


def test_d10_the_maildrop_is_locked():
    with Server() as server:
        deliver(server)
        with Pop3(server), Pop3(server, login=False) as second:
            second.expect('USER alice@example.test')
            answer = second.ask(f'PASS {PASSWORD}')
            check(answer.startswith('-ERR') and 'IN-USE' in answer, f'{answer}')
        # The lock goes with the connection.
        end = time.monotonic() + 10
        while True:
            try:
                mailbox_count(server)
                return
            except AssertionError:
                check(time.monotonic() < end, 'the lock outlives its session')
                time.sleep(0.1)


def test_d10_numbers_out_of_range():
    with Server() as server:
        deliver(server)
        with Pop3(server) as pop:
            for line in ('RETR 0', 'RETR 2', 'RETR -1', 'RETR 99999999999999999999', 'DELE', 'LIST 7', 'UIDL x', 'TOP 1', 'TOP 1 -1', 'TOP 1 x'):
                check((pop.ask(line) or '').startswith('-ERR'), line)
            whole = pop.many('RETR 1')
            equal(pop.many('TOP 1 1000000000'), whole, 'TOP of everything')
            head = whole[:whole.index('') + 1]
            equal(pop.many('TOP 1 0'), head, 'TOP 1 0')


def test_commands_may_be_pipelined_and_retr_gives_the_message():
    with Server() as server:
        deliver(server)
        with Pop3(server, login=False) as pop:
            pop.send(f'USER alice@example.test\r\nPASS {PASSWORD}\r\nSTAT\r\nLIST\r\nUIDL 1\r\nRETR 1\r\nQUIT\r\n')
            for _ in range(3):
                check(pop.line().startswith('+OK'), 'login and STAT')
            check(pop.line().startswith('+OK'), 'LIST')
            size = int(pop.body()[0].split()[1])
            check(pop.line().startswith('+OK 1 '), 'UIDL')
            check(pop.line().startswith('+OK'), 'RETR')
            text = '\r\n'.join(pop.body()) + '\r\n'
            equal(len(text.encode()), size, 'the size in LIST')
            check(text.endswith(MESSAGE.decode()), 'the message was changed')
            check(pop.line().startswith('+OK'), 'QUIT')
            check(pop.closed(), 'the connection stands after QUIT')


def test_long_and_binary_lines_are_refused():
    with Server() as server:
        for rubbish in (b'A' * 1_000_000 + b'\r\n', b'\xff\xff\xff\r\n', b'USER a\nPASS b\n'):
            with Pop3(server, login=False) as pop:
                pop.send_softly(rubbish)
                answer = pop.line()
                check(answer is None or answer.startswith('-ERR'), f'{rubbish[:20]!r}: {answer}')
        for name in (b'alice@example.test\0', b'alice@example.test\0x', b'\x01alice@example.test', b'alice@example.test\x7f'):
            with Pop3(server, login=False) as pop:
                pop.send(b'USER ' + name + b'\r\nPASS ' + PASSWORD.encode() + b'\r\n')
                answers = [pop.line(), pop.line()]
                check(all(answer.startswith('-ERR') for answer in answers), f'{name!r}: {answers}')
        equal(mailbox_count(server), 0, 'messages')


def test_junk_has_a_login_of_its_own():
    rules = '[thresholds]\njunk = 5\nreject = 12\n[[rule]]\nid = "always-junk"\npoints = { \'mail.domain == "sender.test"\' = 6 }\n'
    with Server(rules=rules) as server:
        reply = deliver(server)
        equal(reply.code, 250, 'reply')
        equal(server.explain(reply.id)['recipients'][0]['mailbox'], 'Junk', 'mailbox')
        equal(mailbox_count(server), 0, 'messages in INBOX')
        equal(mailbox_count(server, 'alice+Junk@example.test'), 1, 'messages in Junk')
