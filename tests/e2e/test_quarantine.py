"""What is refused after DATA is kept for people to look at; they release it, label it, export it, or have it forgotten."""
import datetime
import getpass
import json
import os
import re
import stat

from harness import MESSAGE, Pop3, Server, Smtp, check, deliver, equal, mailbox_count

ALICE, BOB = 'alice@example.test', 'bob@example.test'
RULES = '''
[[rule]]
id = "no-ann"
when = 'mail.from == "ann@sender.test"'
then = "reject"
why = "ann is not wanted"

[[rule]]
id = "not-for-bob"
when = 'rcpt.address == "bob@example.test" and message.size > 0 and mail.from == "joe@sender.test"'
then = "reject"
why = "bob wants no mail of joe"

[[rule]]
id = "no-eve"
when = 'mail.from == "eve@sender.test" and message.size > 0'
then = "reject"
why = "eve is not wanted"

[[rule]]
id = "later"
when = 'mail.from == "late@sender.test" and message.size > 0'
then = "defer"
why = "not now"
'''


def release(server, identifier, *words, code=0):
    return server.command('release', identifier, *words, check_code=code)


def inbox(server, user='alice'):
    with Pop3(server, f'{user}@example.test') as pop:
        return pop.messages()


def test_what_all_refuse_at_the_end_is_kept_and_released_once():
    with Server(rules=RULES) as server:
        reply = deliver(server, 'eve@sender.test', [ALICE, BOB])
        equal((reply.code, mailbox_count(server)), (550, 0), 'reply')
        record = server.explain(reply.id)
        equal((record['verdict'], record['quarantine'], record.get('released')), ('reject', {'id': reply.id}, None), 'record')
        done = json.loads(release(server, reply.id, '--json').stdout)
        equal((done['delivered'], done['released']['to'], done['released']['by']), ([ALICE, BOB], [ALICE, BOB], getpass.getuser()), 'answer')
        for user in ('alice', 'bob'):
            mail, = inbox(server, user)
            check(f'Delivered-To: {user}@example.test\r\n' in mail, 'Delivered-To')
            check(f'id {reply.id}' in re.sub(r'\r\n\s+', ' ', mail) and 'Return-Path: <eve@sender.test>' in mail, f'trace fields: {mail}')
            check(mail.endswith(MESSAGE.decode()), 'the message')
        again = release(server, reply.id).stdout
        check('nothing is delivered again' in again, again)
        equal(mailbox_count(server), 1, 'after a second release')
        record = server.explain(reply.id)
        equal(record['released'], done['released'], 'explain')
        check('released to alice@example.test, bob@example.test by' in server.command('explain', reply.id).stdout, 'story')
        equal(server.command('verify').returncode, 0, 'verify')


def test_release_without_a_server_and_to_somebody_else():
    with Server(rules=RULES) as server:
        first, second = (deliver(server, 'eve@sender.test', [ALICE]).id for _ in range(2))
        server.terminate()
        check('is released to bob@example.test' in release(server, first, '--to', BOB).stdout, 'release')
        at = json.loads(server.command('explain', first, '--json').stdout)['released']['time']
        check('is released to alice@example.test' in release(server, second).stdout, 'release')
        check('no such user here: nobody@example.test' in release(server, first, '--to', 'nobody@example.test', code=1).stderr, 'nobody')
        server.start()
        equal((mailbox_count(server), mailbox_count(server, BOB)), (1, 1), 'mailboxes')
        check('nothing is delivered again' in release(server, second).stdout, 'again, by the server')
        check('is released to alice@example.test' in release(server, first).stdout, 'to whom it was sent, too')
        released = server.explain(first)['released']
        equal((released['to'], released['time']), ([BOB, ALICE], at), 'the first time, and to whom in all')
        equal([(one['to'], one['by']) for one in released['again']], [([ALICE], getpass.getuser())], 'the further one')
        story = server.command('explain', first).stdout
        check(f'released to {BOB} by' in story and f'released to {ALICE} by' in story, story)


def test_what_some_take_is_kept_from_the_others():
    with Server([{'service': 'smtp', 'mixed': 'quarantine', 'xclient': ['127.0.0.0/8']}, {'service': 'pop3'}], rules=RULES) as server:
        reply = deliver(server, 'joe@sender.test', [ALICE, BOB])
        equal((reply.code, mailbox_count(server), mailbox_count(server, BOB)), (250, 1, 0), 'reply')
        equal(server.explain(reply.id)['quarantine'], {'id': reply.id}, 'record')
        check('is released to bob@example.test' in release(server, reply.id).stdout, 'release')
        equal((mailbox_count(server), mailbox_count(server, BOB)), (1, 1), 'after release')


def test_what_is_not_kept_says_so():
    with Server(rules=RULES) as server:
        taken = deliver(server, 'joe@sender.test', [ALICE])
        deferred = deliver(server, 'late@sender.test', [ALICE])
        early = deliver(server, 'ann@sender.test', [ALICE])
        loop = deliver(server, 'eve@sender.test', [ALICE], b'Delivered-To: alice@example.test\r\n' + MESSAGE)
        smuggled = deliver(server, 'eve@sender.test', [ALICE], MESSAGE + b'a\nb\r\n')
        for reply, code in ((taken, 250), (deferred, 451), (early, 550), (loop, 554), (smuggled, 550)):
            equal((reply.code, server.explain(reply.id)['quarantine']), (code, None), repr(reply))
            said = release(server, reply.id, code=1).stderr
            check('was never in the quarantine' in said, said)
        equal(release(server, '0' * 20, code=1).stdout, '', 'unknown id')
        equal(release(server, 'x', code=1).returncode, 1, 'no id')
        equal(server.command('log', '--json').returncode, 0, 'log')


def test_a_flood_of_large_refusals_is_not_all_kept():
    large = MESSAGE + b'one more line of sixty-four octets, and so on, and so on ......\r\n' * 30_000
    with Server(rules=RULES) as server:
        replies = [deliver(server, 'eve@sender.test', [ALICE], large) for _ in range(5)]
        equal({reply.code for reply in replies}, {550}, 'all are refused')
        kept = [server.explain(reply.id)['quarantine'] for reply in replies]
        equal(kept[0], {'id': replies[0].id}, 'the first')
        equal(kept[4], {'id': None, 'reason': 'too many refused messages came at once'}, 'the fifth')
        check('was not kept: too many' in release(server, replies[4].id, code=1).stderr, 'release')
        other = deliver(server, 'eve@sender.test', [ALICE], client='203.0.113.5')
        equal(server.explain(other.id)['quarantine'], {'id': other.id}, 'another network')


def test_late_answers_take_the_message_first():
    listeners = [{'service': 'smtp', 'late': 'data', 'xclient': ['127.0.0.0/8']}, {'service': 'pop3'}]
    with Server(listeners, rules=RULES) as server:
        reply = deliver(server, 'ann@sender.test', [ALICE])
        equal((reply.code, 'ann is not wanted' in reply.text), (550, True), 'reply')
        record = server.explain(reply.id)
        equal((record['stage'], record['rule'], record['quarantine']), ('end', 'no-ann', {'id': reply.id}), 'record')
        with Smtp(server) as client:
            client.hello()
            client.expect('MAIL FROM:<ann@sender.test>', 250)
            client.expect('RCPT TO:<nobody@example.test>', 550)
            client.expect('RCPT TO:<x@elsewhere.test>', 550)
            client.expect(f'RCPT TO:<{ALICE}>', 250)
            client.send(b'BDAT %d LAST\r\n' % len(MESSAGE) + MESSAGE)
            reply = client.reply()
            equal(reply.code, 550, 'BDAT')
        release(server, reply.id)
        equal(mailbox_count(server), 1, 'released')


def test_the_quarantine_survives_kill_and_a_release_is_synced():
    with Server(rules=RULES) as server:
        ids = [deliver(server, 'eve@sender.test', [ALICE], MESSAGE + b'one more line\r\n' * 20_000 if big else MESSAGE).id for big in (False, True)]
        server.kill()
        server.start()
        for identifier in ids:
            release(server, identifier)
        server.kill()
        server.start()
        equal(mailbox_count(server), 2, 'mailbox')
        for identifier in ids:
            check('nothing is delivered again' in release(server, identifier).stdout, 'again')
        equal(server.command('verify').returncode, 0, 'verify')


def test_labels_with_undo():
    with Server(rules=RULES) as server:
        identifier = deliver(server, 'eve@sender.test', [ALICE]).id

        def label(*words, code=0):
            return server.command('feedback', identifier, *words, check_code=code)
        check(' is spam' in label('spam').stdout, 'spam')
        equal(json.loads(label('ham', '--json').stdout)['label'], 'ham', 'ham')
        equal((server.explain(identifier)['label']['label'], server.explain(identifier)['label']['by']), ('ham', getpass.getuser()), 'explain')
        server.terminate()
        check(' is spam' in label('--undo').stdout, 'undo')
        check('has no label' in label('--undo').stdout, 'undo')
        check('has no label' in label('--undo', code=1).stderr, 'nothing to undo')
        equal(label(code=64).returncode, 64, 'no label')
        equal(label('ham', '--undo', code=64).returncode, 64, 'both')
        equal(server.command('feedback', '0' * 20, 'ham', check_code=1).returncode, 1, 'unknown id')
        server.start()
        equal(server.explain(identifier).get('label'), None, 'explain')


def test_a_record_and_its_message_are_exported():
    with Server(rules=RULES) as server:
        identifier = deliver(server, 'eve@sender.test', [ALICE]).id
        taken = deliver(server, 'joe@sender.test', [ALICE]).id
        early = deliver(server, 'ann@sender.test', [ALICE]).id
        equal(json.loads(server.command('export', early).stdout)['id'], early, 'standard output')
        for name, one in (('lost.json', identifier), ('taken.json', taken)):
            result = server.command('export', one, '--message', '--output', name)
            path = server.folder / name
            record, told = json.loads(path.read_text()), server.explain(one)
            equal(record, {field: told[field] for field in record}, 'record')
            message = server.folder / f'{name}.eml'
            equal(message.read_bytes(), MESSAGE, 'message')
            for file in (path, message):
                equal(stat.S_IMODE(os.stat(file).st_mode), 0o600, f'mode of {file}')
            check(f'record = "{name}"' in result.stderr, result.stderr)
        equal(server.command('export', identifier, '--output', 'lost.json', check_code=73).returncode, 73, 'a file that is there')
        equal(server.command('export', early, '--message', '--output', 'none', check_code=1).returncode, 1, 'no message')
        check(not (server.folder / 'none').exists(), 'half of an export')
        equal(server.command('export', early, '--message', check_code=64).returncode, 64, 'no file')
        equal(server.command('export', '0' * 20, check_code=1).returncode, 1, 'unknown id')


def test_the_transcript_tells_what_was_said():
    with Server(rules=RULES) as server:
        with Smtp(server) as client:
            client.hello()
            client.expect('AUTH PLAIN AGFsaWNlAHNlY3JldA==', 502)
            client.expect('AGFsaWNlAHNlY3JldA==', 500)
            client.expect('MAIL FROM:<eve@sender.test>', 250)
            client.expect('RCPT TO:<nobody@example.test>', 550)
            client.expect(f'RCPT TO:<{ALICE}>', 250)
            client.expect('DATA', 354)
            client.send(MESSAGE + b'.\r\n')
            reply = client.reply()
        record = server.explain(reply.id)
        said = [(line['dir'], line['line'].split(' id=')[0]) for line in record['transcript']]
        equal(said, [
            ('S', '220'), ('C', 'EHLO client.sender.test'), ('S', '250'), ('C', 'AUTH ...'), ('S', '502 5.5.1 Not implemented here'),
            ('C', '(no command)'), ('S', '500 5.5.1 Unknown command'), ('C', 'MAIL FROM:<eve@sender.test>'), ('S', '250 2.1.0'),
            ('C', 'RCPT TO:<nobody@example.test>'), ('S', '550 5.1.1 There is no such user here'), ('C', f'RCPT TO:<{ALICE}>'),
            ('S', '250 2.1.5'), ('C', 'DATA'), ('S', '354'), ('C', '.'), ('S', '550 5.7.1 eve is not wanted')], 'transcript')
        times = [line['ms'] for line in record['transcript']]
        equal(times, sorted(times), 'times')
        check('C: DATA' in server.command('explain', reply.id).stdout, 'story')
        check('AGFsaWNl' not in json.dumps(record), 'AUTH data')


def test_redacted_records_have_no_local_parts_but_messages_are_released():
    with Server(rules=RULES, tables='[records]\nredact = "local-parts"\n') as server:
        replies = [deliver(server, 'eve@sender.test', [ALICE]) for _ in range(2)]
        early = deliver(server, 'ann@sender.test', [ALICE])
        records = [json.loads(server.command('export', reply.id).stdout) for reply in (*replies, early)]
        for record in records:
            text = json.dumps({name: value for name, value in record.items() if name != 'reply'})
            check('eve@' not in text and 'alice@' not in text and 'ann@' not in text, text)
            check(re.fullmatch(r'~[0-9a-f]{16}@example\.test', record['to'][0]), record['to'])
        equal(records[0]['from'], records[1]['from'], 'the same sender')
        check(records[0]['from'] != records[2]['from'], 'another sender')
        equal(len(server.log(f'from:{records[0]["from"]}')), 2, 'log')
        release(server, replies[0].id)
        equal(mailbox_count(server), 1, 'released')


def test_an_address_is_forgotten():
    with Server(rules=RULES) as server:
        by_joe = MESSAGE.replace(b'ann@', b'joe@')

        def deliver_one(sender, to):
            return deliver(server, sender, [to], by_joe)
        gone = [deliver_one('eve@sender.test', ALICE).id, deliver_one('EVE@Sender.test', BOB).id,
                deliver_one('ann@sender.test', BOB).id]
        stays = [deliver_one('joe@sender.test', ALICE).id, deliver_one('joe@sender.test', 'nobody@example.test').id]
        server.command('feedback', gone[0], 'ham')
        equal(json.loads(server.command('forget', 'Eve@sender.test', '--json').stdout), {'address': 'Eve@sender.test', 'records': 2, 'messages': 2}, 'eve')
        check(': 1 records and 0 kept' in server.command('forget', 'ann@sender.test').stdout, 'ann')
        check(': 0 records' in server.command('forget', 'ann@sender.test').stdout, 'ann again')
        for identifier in gone:
            equal(server.command('explain', identifier, check_code=1).returncode, 1, 'explain')
        equal([record['id'] for record in server.log()], stays, 'log')
        release(server, gone[0], code=1)
        equal(mailbox_count(server), 1, 'the mailbox stays')
        equal(server.command('verify').returncode, 0, 'verify')
        equal(server.command('forget', 'joe@elsewhere.test').stdout, 'joe@elsewhere.test: 0 records and 0 kept messages are forgotten\n', 'a stranger')
        server.terminate()
        check(': 1 records' in server.command('forget', 'nobody@example.test').stdout, 'without a server')
        equal([record['id'] for record in server.log()], stays[:1], 'log')
        equal(server.command('forget', 'no address', check_code=64).returncode, 64, 'no address')
        server.start()
        equal([record['id'] for record in server.log()], stays[:1], 'after a restart')


def test_a_redacted_address_is_forgotten():
    with Server(rules=RULES, tables='[records]\nredact = "local-parts"\n') as server:
        gone = deliver(server, 'eve@sender.test', [ALICE]).id
        stays = deliver(server, 'joe@sender.test', [ALICE]).id
        check(': 1 records and 1 kept' in server.command('forget', 'eve@sender.test').stdout, 'forget')
        equal([record['id'] for record in server.log()], [stays], 'log')
        release(server, gone, code=1)


def listed(server, *words):
    *rows, last = [json.loads(line) for line in server.command('quarantine', *words, '--json').stdout.splitlines()]
    equal(last['summary'], {'messages': len(rows), 'octets': sum(r['size'] for r in rows)}, 'summary')
    return rows


def test_the_quarantine_is_listed():
    with Server(rules=RULES, tables='[retention]\nquarantine = { days = 7 }\n') as server:
        check('0 messages' in server.command('quarantine').stderr, 'an empty quarantine')
        equal(listed(server), [], 'an empty quarantine')
        deliver(server, 'joe@sender.test', [ALICE])
        first, second, third = (deliver(server, 'eve@sender.test', to).id for to in ([ALICE], [ALICE, BOB], [BOB]))
        for runs in (True, False):
            if not runs:
                server.terminate()
            rows = listed(server)
            equal([(r['id'], r['to']) for r in rows], [(first, [ALICE]), (second, [ALICE, BOB]), (third, [BOB])], 'rows')
            row = rows[0]
            equal((row['from'], row['verdict'], row['rule'], row['released'], row['label']), ('eve@sender.test', 'reject', 'no-eve', None, None), 'row')
            check(row['size'] > len(MESSAGE) and row['client'] == '198.51.100.7', f'size, client: {row}')
            kept = datetime.datetime.fromisoformat(row['expires']) - datetime.datetime.fromisoformat(row['time'])
            equal(kept, datetime.timedelta(days=7), 'expiry')
        server.start()
        server.command('feedback', second, 'ham')
        release(server, third)

        def ids(*words):
            return [r['id'] for r in listed(server, *words)]
        equal(ids('label:ham'), [second], 'label:')
        equal(ids('released:no'), [first, second], 'released:no')
        equal(ids('-released:no'), [third], '-released:no')
        equal(ids('to:' + BOB, '-label:ham'), [third], 'to:')
        equal(ids('--since', '1h', 'from:*@sender.test', 'rule:no-eve'), [first, second, third], 'all')
        equal(ids('from:*@elsewhere.test'), [], 'from:')
        equal(ids('id:' + second), [second], 'id:')
        equal(ids('until:1h'), [], 'until:')
        table = server.command('quarantine').stdout
        check(re.search(rf'^id +received +expires +size +verdict +from, kept from, rule\n{first}  20\S+ \d\d:\d\d  20\S+ \d\d:\d\d +\d+\S* \S+  reject +'
                        rf'<eve@sender.test> -> <{ALICE}> rule=no-eve$', table, re.M), table)
        check(f'-> <{ALICE}>,<{BOB}> rule=no-eve label=ham\n' in table and f'-> <{BOB}> rule=no-eve released\n' in table, table)
        check('did you mean "from:"' in server.command('quarantine', 'form:x', check_code=64).stderr, 'a bad term')
        server.command('quarantine', '--since', 'yesterday', check_code=64)
        server.command('forget', 'eve@sender.test')
        equal(ids(), [], 'after forget')


def test_log_finds_labels_and_releases():
    with Server(rules=RULES) as server:
        good = deliver(server, 'joe@sender.test', [ALICE]).id
        early = deliver(server, 'ann@sender.test', [ALICE]).id
        kept = [deliver(server, 'eve@sender.test', [ALICE, BOB]).id for _ in range(3)]
        for identifier, label in ((good, 'spam'), (early, 'ham'), (kept[0], 'ham'), (kept[1], 'spam')):
            server.command('feedback', identifier, label)
        server.command('feedback', kept[1], '--undo')
        release(server, kept[0], '--to', BOB)

        def ids(*words):
            return [r['id'] for r in server.log('verdict:*', '-verdict:none', *words)]
        equal(ids('label:ham'), [early, kept[0]], 'label:ham')
        equal(ids('label:spam'), [good], 'label:spam')
        equal(ids('label:*'), [good, early, kept[0]], 'label:*')
        equal(ids('label:none'), kept[1:], 'label:none')
        equal(ids('-label:*'), kept[1:], '-label:*')
        equal(ids('released:yes'), [kept[0]], 'released:yes')
        equal(ids('released:no', 'verdict:reject'), [early, *kept[1:]], 'released:no')
        equal(ids(f'released:{getpass.getuser()}'), [kept[0]], 'by whom')
        equal(ids(f'released:{BOB}'), [kept[0]], 'to whom')
        equal(ids(f'released:{ALICE}'), [], 'to somebody else')
        equal([r['label']['label'] for r in server.log('label:ham')], ['ham', 'ham'], 'log --json has the label')
        check(' label=ham released ' in server.command('log', 'released:yes').stdout, 'the line')
        rows = [json.loads(line) for line in server.command('log', 'label:*', '--by', 'verdict', '--json').stdout.splitlines()]
        equal([(r['value'], r['count']) for r in rows[:-1]], [('reject', 2), ('accept', 1)], 'groups')
        summary = json.loads(server.command('whatif', 'label:ham', '--json').stdout.splitlines()[-1])['summary']
        equal((summary['total'], summary['changed']), (3, 0), 'whatif: alice, and alice and bob')
        suspects = [json.loads(line) for line in server.command('suspects', 'label:ham', '--json').stdout.splitlines()]
        equal(suspects[-1]['summary']['refusals'], 2, 'suspects')
        check('did you mean "ham"' in server.command('log', 'label:hem', check_code=64).stderr, 'a bad label')
        server.command('log', 'released:', check_code=64)
        check('neither label: nor released:' in server.command('log', '-f', 'label:ham', check_code=64).stderr, '-f')
        server.terminate()
        equal(ids('label:ham'), [early, kept[0]], 'without a server')
