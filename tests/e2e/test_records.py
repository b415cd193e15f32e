"""Every id that is told can be explained, at once, and the log follows without leaving out or repeating any."""
import concurrent.futures
import json
import re
import subprocess
import time

from harness import MESSAGE, Server, Smtp, check, deliver, equal, wait_until

ANN = 'MAIL FROM:<ann@sender.test>'
ALICE = 'RCPT TO:<alice@example.test>'


def greeted(server, **options):
    client = Smtp(server, **options)
    client.hello()
    return client


def test_an_id_told_after_a_transaction_is_explained():
    cases = [('EHLO é', 501), ('GET / HTTP/1.1', 521), ('NOOP ' + 'x' * 3000, 500), ('MAIL FROM:<bad', 501)]
    with Server([{'service': 'smtp', 'limits': {'errors': 3}}]) as server:
        for line, code in cases:
            with greeted(server) as client:
                client.expect(ANN, 250)
                client.expect('RSET', 250)
                reply = client.expect(line, code)
                record = server.explain(reply.id)
                equal((record['reply']['code'], record['rule'][:8], record['to']), (code, 'builtin:', []), line)
        with greeted(server) as client:
            equal(client.send_mail('ann@sender.test', ['alice@example.test']).code, 250, 'mail')
            for _ in range(2):
                client.expect('BOGUS', 500)
            client.expect('BOGUS', 500)
            reply = client.reply()
            equal(reply.code, 421, 'too many errors')
            equal(server.explain(reply.id)['reply']['code'], 421, 'its record')


def test_every_id_of_folded_refusals_is_explained():
    with Server() as server:
        def knock(_):
            with Smtp(server) as client:
                return client.ask('GET / HTTP/1.1').id
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            told = list(pool.map(knock, range(130)))
        kept = {r['id']: r for r in wait_until(lambda: (lambda found: found if len(found) >= 100 else None)(server.log()), 'the records')}
        check(set(told) <= set(kept), f'{len(set(told) - set(kept))} ids have no record')
        # A minute may end meanwhile: then there are more of them.
        check(100 <= len(kept) <= 130, f'{len(kept)} records')
        wait_until(lambda: sum(r.get('folded', {'count': 1})['count'] for r in server.log()) == 130, 'all are counted')
        in_log = re.findall(r'521 5\.5\.1 This is not an HTTP server; .* id=(\w{20})$', server.log_text(), re.M)
        equal(sorted(in_log), sorted(told), 'ids in the log')


def test_a_message_that_is_taken_counts_once_whatever_was_refused_before():
    with Server() as server:
        for _ in range(120):
            with Smtp(server) as client:
                client.become('198.51.100.7')
                client.hello()
                client.expect('MAIL FROM:<a@sender.test>', 250)
                client.expect('RCPT TO:<nobody@example.test>', 550)
                client.expect('RCPT TO:<neither@example.test>', 550)
                client.expect('RCPT TO:<alice@example.test>', 250)
                client.expect('DATA', 354)
                client.send(MESSAGE + b'.\r\n')
                equal(client.reply().code, 250, 'the message')
        rows = [row for row in server.log() if row['verdict'] != 'none']
        equal((len(rows), [row['folded'] for row in rows if 'folded' in row]), (120, []), 'decisions')
        # The counts of a moment ago are in memory, the others on the disk.
        time.sleep(1.5)
        equal([row['folded'] for row in server.log() if 'folded' in row], [], 'counted beside')


def test_a_refusal_is_seen_while_its_transaction_goes_on():
    with Server() as server:
        with greeted(server) as client:
            client.expect(ANN, 250)
            refused = client.expect('RCPT TO:<nobody@example.test>', 550)
            record = server.explain(refused.id)
            equal((record['verdict'], record['rule'], record['open']), ('reject', 'builtin:unknown-user', True), 'while open')
            equal([r['id'] for r in server.log()], [refused.id], 'log')
            check(' open ' in server.command('log').stdout, 'log does not say that it is open')
            equal(client.expect('RCPT TO:<nobody2@example.test>', 550).id, refused.id, 'the id of the transaction')
            both = ['nobody@example.test', 'nobody2@example.test']
            wait_until(lambda: server.explain(refused.id)['to'] == both, 'the second refusal')
            client.expect(ALICE, 250)
            client.expect('DATA', 354)
            client.send(MESSAGE + b'.\r\n')
            equal(client.reply().id, refused.id, 'the id of the message')
            record = server.explain(refused.id)
            equal((record['verdict'], record.get('open'), len(record['to'])), ('accept', None, 3), 'once it has ended')
            equal([(r['id'], r['verdict']) for r in server.log()], [(refused.id, 'accept')], 'one record')
            client.expect(ANN, 250)
            dropped = client.expect('RCPT TO:<nobody@example.test>', 550)
        wait_until(lambda: 'open' not in server.explain(dropped.id), 'the end of a dropped transaction')


def test_replies_that_follow_from_a_refusal_carry_its_id():
    with Server([{'service': 'smtp', 'limits': {'recipients': 100}}], aliases='\n'.join(f'u{i} alice@example.test' for i in range(100))) as server:
        with greeted(server) as client:
            client.expect(ANN, 250)
            for i in range(100):
                client.expect(f'RCPT TO:<u{i}@example.test>', 250)
            told = {client.expect(ALICE, 452).id for _ in range(3)}
            equal(len(told), 1, 'ids of too many recipients')
            equal(server.explain(told.pop())['reply']['code'], 452, 'its record')
        with greeted(server) as client:
            client.expect(ANN, 250)
            refused = client.expect('RCPT TO:<nobody@example.test>', 550)
            equal(client.expect('DATA', 554).id, refused.id, 'no valid recipients')
            equal(server.explain(refused.id)['rule'], 'builtin:unknown-user', 'what was decided')


def test_the_stage_that_a_transaction_reached():
    with Server() as server:
        for lines, stage in (([], 'helo'), ([ANN], 'mail'), ([ANN, ALICE], 'rcpt'), ([ANN, ALICE, 'DATA'], 'data')):
            before = {r['id'] for r in server.log()}
            with greeted(server) as client:
                for line in lines:
                    check(client.ask(line).code in (250, 354), line)
            record = wait_until(lambda: [r for r in server.log() if r['id'] not in before], stage)[0]
            equal((record['stage'], record['verdict']), (stage, 'none'), f'after {lines}')


RULES = '''
[thresholds]
junk = 5
reject = 12

[[rule]]
id = "wait"
when = 'rcpt.address == "bob@example.test" and message.size > 0'
then = "defer"
why = "come again"
'''


def test_recipients_show_what_they_were_told():
    with Server(rules=RULES) as server:
        with greeted(server) as client:
            reply = client.send_mail('ann@sender.test', ['alice@example.test', 'bob@example.test'])
            equal(reply.code, 451, 'reply')
        rows = {r['address']: r for r in server.explain(reply.id)['recipients']}
        for name in ('alice', 'bob'):
            row = rows[f'{name}@example.test']
            equal((row['verdict'], row['rule'], row['reply']['code'], row['mailbox']), ('defer', 'wait', 451, None), name)


def test_a_chunk_over_the_size_limit_is_recorded_as_data_is():
    with Server([{'service': 'smtp', 'limits': {'size': 100_000}}]) as server:
        told = {}
        for verb in ('DATA', 'BDAT'):
            with greeted(server) as client:
                client.expect(ANN, 250)
                client.expect(ALICE, 250)
                if verb == 'DATA':
                    client.expect('DATA', 354)
                    client.send(b'a: b\r\n\r\n' + b'text\r\n' * 20_000 + b'.\r\n')
                else:
                    client.send(b'BDAT 100001 LAST\r\n' + b'x' * 100_001)
                told[verb] = client.reply()
                equal(told[verb].code, 552, verb)
        for verb, reply in told.items():
            record = server.explain(reply.id)
            equal([(r['address'], r['verdict'], r['reply']['code']) for r in record['recipients']], [('alice@example.test', 'reject', 552)], verb)
            check(re.search(rf'552 5\.3\.4 Message too large; from=<ann@sender\.test> to=<alice@example\.test> proto=ESMTP '
                            rf'helo=<client\.sender\.test> id={reply.id}$', server.log_text(), re.M), f'no line for {verb}')


def test_following_the_log_leaves_nothing_out_and_repeats_nothing():
    """Transactions overlap, so ids are committed out of order."""
    with Server() as server:
        with (server.folder / 'followed').open('wb') as out:
            follower = subprocess.Popen([server.binary, 'log', '-f', '--json', '-c', str(server.config)], stdout=out, cwd=server.folder)

        def followed():
            return [json.loads(line)['id'] for line in (server.folder / 'followed').read_text().splitlines(True) if line.endswith('\n')]

        def customer(number):
            told = []
            with greeted(server) as client:
                for round_ in range(25):
                    client.expect(ANN, 250)
                    if (number + round_) % 3 == 0:
                        told.append(client.expect('RCPT TO:<nobody@example.test>', 550).id)
                        client.expect('RSET', 250)
                    else:
                        client.expect(ALICE, 250)
                        client.expect('DATA', 354)
                        client.send(MESSAGE + b'.\r\n')
                        told.append(client.reply().id)
            return told
        try:
            first = deliver(server, client=None).id
            wait_until(lambda: first in followed(), 'the follower')
            with greeted(server) as slow, greeted(server) as slower:
                slow.expect(ANN, 250)
                slower.expect(ANN, 250)
                with concurrent.futures.ThreadPoolExecutor(8) as pool:
                    told = [identifier for some in pool.map(customer, range(8)) for identifier in some]
                late = []
                for client in (slow, slower):
                    client.expect(ALICE, 250)
                    client.expect('DATA', 354)
                    client.send(MESSAGE + b'.\r\n')
                    late.append(client.reply().id)
            wanted = {first, *told, *late}
            wait_until(lambda: wanted <= set(followed()), 'everything that was decided', 30)
            seen = followed()
            equal(len(seen), len(set(seen)), 'lines')
        finally:
            follower.terminate()
            follower.wait(20)


def test_json_shows_no_control_of_a_terminal():
    with Server() as server:
        with Smtp(server) as client:
            client.hello()
            client.expect('MAIL FROM:<"\u009b31mX\u0085\u202e\u2028"@sender.test> SMTPUTF8'.encode(), 250)
            id = client.expect('RCPT TO:<nobody@example.test>', 550).id
        for text in (server.command('log', '--json').stdout, server.command('explain', id, '--json').stdout):
            check(not any(c in text for c in '\u009b\u0085\u202e\u2028'), f'raw in {text!r}')
        equal(json.loads(server.command('explain', id, '--json').stdout)['from'], '\u009b31mX\u0085\u202e\u2028@sender.test', 'the sender')


def test_a_domain_in_unicode_is_found_and_forgotten_by_its_a_labels():
    with Server() as server:
        with Smtp(server) as client:
            client.hello()
            for sender in ('ann@bücher.test', 'ann@xn--bcher-kva.test', 'ann@b＠bücher.test'):
                client.expect(f'MAIL FROM:<{sender}> SMTPUTF8', 250)
                client.expect('RCPT TO:<nobody@example.test>', 550)
                client.expect('RSET', 250)
        server.terminate()  # so that all of it is on the disk

        def found(*terms):
            lines = server.command('log', '--json', *terms).stdout.splitlines()
            return sorted(json.loads(line)['from'] for line in lines)
        both = ['ann@bücher.test', 'ann@xn--bcher-kva.test']
        for term in ('from:*@bücher.test', 'from:ann@xn--bcher-kva.test', 'from:ann@BÜCHER.test'):
            equal(found(term), both, term)
        equal(found('from:ann@b＠bücher.test'), ['ann@b＠bücher.test'], 'a sign of another script')
        check(': 2 records' in server.command('forget', 'ann@xn--bcher-kva.test').stdout, 'forget')
        equal(found('from:*@bücher.test'), [], 'forgotten')
