"""`whatif` judges the past anew: under the same rules nothing changes, under others exactly what an independent count
over the log says."""
import base64
import json
import shutil
import subprocess

import dkim

from dns_server import listed_name
from harness import MESSAGE, Pop3, Server, Smtp, check, deliver, equal, plant, wait_until
from test_dns import RULES, ZONE


def judged(server, *arguments, check_code=0):
    lines = [json.loads(line) for line in server.command('whatif', '--json', *arguments, check_code=check_code).stdout.splitlines()]
    return lines[:-1], lines[-1]['summary']


def traffic(server):
    """Mail of many kinds: accepted, junk, refused early and late, to several, left in the middle."""
    deliver(server)
    deliver(server, sender='ann@forged.test')
    for recipients in (['alice@example.test', 'bob@example.test'], ['alice@example.test', 'nobody@example.test'],
                       ['nobody@example.test'], ['x@elsewhere.test'], ['postmaster@example.test']):
        with Smtp(server) as client:
            client.hello()
            client.send_mail('ann@sender.test', recipients)
    with Smtp(server) as client:
        client.hello()
        client.expect('MAIL FROM:<ann@sender.test>', 250)
        client.expect('RCPT TO:<alice@example.test>', 250)
    with Smtp(server) as client:
        client.hello()
    for address in ('203.0.113.66', '203.0.113.67', '203.0.113.68'):
        deliver(server, client=address)
        with Smtp(server) as client:
            client.hello()
            client.become(address)
            client.send_mail('', ['alice@example.test', 'bob@example.test'])


def test_the_same_rules_change_nothing_and_repeat_every_word():
    rules = RULES + '''
[[rule]]
id = "points"
points = { 'message.size > 10' = 1, 'mail.domain == "forged.test"' = 6 }
[[rule]]
id = "twice"
when = 'rcpt.count > 1 and message.size > 1'
points = 0.5
'''
    with Server(rules=rules, zone=ZONE) as server:
        traffic(server)
        wait_until(lambda: len(server.command('log', '--json').stdout.splitlines()) >= 10, 'all are recorded')
        changed, summary = judged(server, '--exact')
        equal(changed, [], 'changes')
        equal((summary['changed'], summary['undecidable'], summary['differences']), (0, 0, 0), f'{summary}')
        recorded = [json.loads(line) for line in server.command('log', '--json').stdout.splitlines()]
        units = sum(max(1, len(record['recipients'])) for record in recorded)
        equal(summary['total'], units, 'all were judged')
        equal(sum(sum(row.values()) for row in summary['matrix'].values()), units, 'the matrix')
        # And with the server gone.
        server.terminate()
        changed, summary = judged(server, '--exact')
        equal((summary['changed'], summary['differences'], summary['total']), (0, 0, units), 'without the server')


def test_a_lowered_threshold_changes_what_the_log_says_it_must():
    rules = '[thresholds]\njunk = 5\nreject = 12\n\n[[rule]]\nid = "size"\npoints = { \'message.size > 0\' = 1, ' \
            '\'mail.domain == "forged.test"\' = 3 }\n'
    with Server(rules=rules) as server:
        for index in range(4):
            deliver(server, sender=f'ann{index}@{"forged" if index % 2 else "sender"}.test')
        other = server.folder / 'other'
        shutil.copytree(server.folder / 'rules', other)
        path = other / 'rules.toml'
        path.write_text(path.read_text().replace('junk = 5', 'junk = 2.5'))
        want = set()
        for line in server.command('log', '--json').stdout.splitlines():
            record = json.loads(line)
            want |= {(record['id'], one['address']) for one in record['recipients']
                     if one['verdict'] == 'accept' and one['points'] >= 2.5}
        check(len(want) == 2, f'the test has nothing to find: {want}')
        changed, summary = judged(server, '--rules', str(other))
        equal({(one['id'], one['recipient']) for one in changed}, want, 'what changed')
        equal({(one['old'], one['new'], one['rule']) for one in changed}, {('accept', 'junk', 'threshold:junk')}, 'how')
        equal(summary['matrix'], {'accept': {'accept': 2, 'junk': 2}}, 'the matrix')
        equal(summary['lost_ham'], 2, 'lost')
        judged(server, '--rules', str(other), '--budget', '2', check_code=0)
        judged(server, '--rules', str(other), '--budget', '1', check_code=1)
        judged(server, '--rules', str(other), '--budget-lost-ham', '1', check_code=1)
        changed, summary = judged(server, '--rules', str(other), 'from:ann1@*')
        equal((len(changed), summary['total']), (1, 1), 'a query')
        text = server.command('whatif', '--rules', str(other)).stdout
        check('accept -> junk by threshold:junk' in text, text)
        path.write_text(path.read_text() + '\n[[rule]]\nid = "new"\nwhen = \'dnsbl.new has x\'\nthen = "reject"\n'
                        '[dnsbl.new]\nzone = "new.test"\nlisted = { x = "127.0.0.2" }\nprobe = false\n')
        changed, summary = judged(server, '--rules', str(other), '--undecidable')
        equal(summary['undecidable_because'], {'fact dnsbl.new was not recorded': 4}, 'what is not known')
        equal({one.get('undecidable') for one in changed}, {'fact dnsbl.new was not recorded'}, 'told of each')
        path.write_text('[[rule]]\nid = "x"\nwhen = \'nothing.such\'\nthen = "reject"\n')
        server.command('whatif', '--rules', str(other), check_code=78)


def test_the_rules_of_a_decision_are_kept():
    rules = '[[rule]]\nid = "first"\nwhen = \'mail.domain == "sender.test"\'\nthen = "reject"\nwhy = "old words"\n'
    with Server(rules=rules) as server:
        reply = deliver(server)
        equal(reply.code, 550, 'refused')
        (server.folder / 'rules/rules.toml').write_text(rules.replace('old words', 'new words'))
        server.reload()
        check('old words' in server.command('explain', reply.id).stdout, 'the rule as it was')


EVERYTHING = RULES + r'''
[[pattern]]
id = "invoice"
in = "headers"
field = "subject"
match = '^Invoice'

[[pattern]]
id = "pills"
in = "body"
match = 'cheap pills'

[[rule]]
id = "at-once"
when = 'client.ip == 203.0.113.99'
then = "reject"
answer = "now"

[[rule]]
id = "grey"
when = 'mail.domain == "grey.test"'
then = "greylist"

[[rule]]
id = "friend"
when = 'mail.domain == "friend.test"'
then = "skip"
skip = ["spf", "greylist"]

[[rule]]
id = "dead-list"
when = 'dnsbl.dead has x'
then = "reject"
on_unknown = "defer"
scope = { recipients = ["careful@example.test"] }

[[rule]]
id = "set-aside"
when = 'pattern.invoice and mail.domain == "sender.test"'
then = "quarantine"
why = "{mail.from} sends invoices of {message.size} octets"

[[rule]]
id = "later"
when = 'mail.from == "late@sender.test" and message.size > 0'
then = "defer"
why = "not now"

[[rule]]
id = "dropped"
when = 'mail.from == "gone@sender.test" and message.size > 0'
then = "discard"

[[rule]]
id = "not-in-force"
when = 'message.size > 1'
then = "reject"
mode = "shadow"

[[rule]]
id = "mark"
when = 'rcpt.domain == "example.test"'
then = "tag"
tag = "seen"

[[rule]]
id = "words"
points = { 'pattern.pills' = 6.5, 'pattern.invoice' = 2 }

[[rule]]
id = "many"
when = 'rcpt.count > 1'
points = 1

[[rule]]
id = "known"
when = 'mail.domain == "friend.test"'
points = -3

[dnsbl.dead]
zone = "dead.lists.test"
listed = { x = "127.0.0.2" }
private = true
probe = false

[[override]]
recipients = ["bob@*"]
thresholds = { junk = 1, reject = 7 }

[[override]]
recipients = ["postmaster@*"]
worst = "junk"

[[override]]
recipients = ["carol@*"]
modes = { words = "off", set-aside = "shadow" }
'''
EVERYONE = ('alice', 'bob', 'carol', 'careful', 'postmaster')


def much_traffic(server, service_count):
    """As traffic(), and what waits, is set aside, comes in pieces, is unknown, or has recipients of several minds."""
    traffic(server)
    invoice, pills = MESSAGE.replace(b'Subject: hello', b'Subject: Invoice 1'), MESSAGE + b'cheap pills\r\n'
    for index in range(service_count):
        def send(sender, recipients, message=MESSAGE, client='198.51.100.7', port=index):
            with Smtp(server, index=port) as smtp:
                smtp.become(client)
                smtp.hello()
                return smtp.send_mail(sender, [f'{name}@example.test' for name in recipients], message)
        for message in (MESSAGE, invoice, pills, invoice + b'cheap pills\r\n'):
            for recipients in (['alice'], ['bob'], ['carol'], ['postmaster'], ['alice', 'bob'], ['alice', 'carol', 'nobody']):
                send('ann@sender.test', recipients, message)
        for sender in ('late@sender.test', 'gone@sender.test', 'x@grey.test', 'x@grey.test', 'x@friend.test', 'ann@forged.test', ''):
            for recipients in (['alice'], ['alice', 'postmaster'], ['bob', 'alice']):
                send(sender, recipients, pills)
        for _ in range(4):
            send('ann@sender.test', ['careful'])
        send('ann@sender.test', ['alice'], client='2001:db8::9')
        with Smtp(server, index=index) as smtp:
            smtp.hello()
            equal(smtp.ask('XCLIENT ADDR=203.0.113.99 NAME=[UNAVAILABLE]').code, 554, 'answered at once')
        with Smtp(server, index=index) as smtp:
            smtp.hello()
            smtp.expect('MAIL FROM:<ann@sender.test>', 250)
            smtp.expect('RCPT TO:<alice@example.test>', 250)
            half = len(pills) // 2
            smtp.send(b'BDAT %d\r\n' % half + pills[:half])
            smtp.reply()
            smtp.send(b'BDAT %d LAST\r\n' % (len(pills) - half) + pills[half:])
            smtp.reply()
            smtp.expect('MAIL FROM:<ann@sender.test>', 250)
            smtp.expect('RCPT TO:<alice@example.test>', 250)
            smtp.expect('DATA', 354)
            smtp.send(b'a bare\nnewline\r\n.\r\n')
            smtp.reply()
            smtp.expect('MAIL FROM:<ann@sender.test>', 250)
            smtp.expect('RSET', 250)


def test_what_was_recorded_tells_every_decision_again():
    """Of all that rules can do, with listeners that answer early, late, and in parts: not one word differs."""
    listeners = [{'service': 'smtp', 'xclient': ['127.0.0.0/8']}, {'service': 'smtp', 'xclient': ['127.0.0.0/8'], 'late': 'data'},
                 {'service': 'smtp', 'xclient': ['127.0.0.0/8'], 'mixed': 'quarantine'}, {'service': 'pop3'}]
    with Server(listeners, rules=EVERYTHING, zone=ZONE, accounts=EVERYONE) as server:
        much_traffic(server, 3)
        # What is asked while the DNS is away is unknown, then and now.
        server.dns.fault = 'servfail'
        for recipient in ('alice', 'bob', 'careful'):
            deliver(server, recipients=[f'{recipient}@example.test'], client='192.0.2.77', helo='elsewhere.test')
        server.dns.fault = 'ok'
        server.terminate()  # what was open is recorded as ended
        recorded = server.log()
        found = {record['verdict'] for record in recorded}
        check({'accept', 'junk', 'quarantine', 'greylist', 'defer', 'reject', 'discard', 'none'} <= found, f'not everything happened: {found}')
        units = sum(max(1, len(record['recipients'])) for record in recorded)
        changed, summary = judged(server, '--exact')
        equal([changed, summary['changed'], summary['undecidable'], summary['differences']], [[], 0, 0, 0], f'{summary}')
        equal((summary['total'], summary['unreadable']), (units, 0), 'all were judged')
        # Each decision is really made anew: whoever alters one fact of one record finds that one.
        victim = next(r for r in recorded if r['verdict'] == 'accept' and r['to'] == ['alice@example.test']
                      and r['from'] == 'ann@sender.test' and r['rule'] == 'default')
        plant(server, victim['id'], 'mail.from', 'late@sender.test')
        changed, summary = judged(server)
        equal([(one['id'], one['recipient'], one['old'], one['new'], one['rule']) for one in changed],
              [(victim['id'], 'alice@example.test', 'accept', 'defer', 'later')], 'what changed')
        equal((summary['changed'], summary['undecidable'], summary['total']), (1, 0, units), 'summary')
        differing, summary = judged(server, '--exact', check_code=1)
        equal({one['id'] for one in differing}, {victim['id']}, 'what differs')


def test_checks_are_run_again_for_facts_that_records_lack():
    with Server(rules=RULES, zone=ZONE) as server:
        pills = MESSAGE + b'cheap pills\r\n'
        kept = [deliver(server, message=pills).id, deliver(server, message=MESSAGE).id,
                deliver(server, message=pills + b'one more line of text\r\n' * 60_000).id]
        gone = deliver(server, message=pills, recipients=['bob@example.test']).id
        with Pop3(server, 'bob@example.test') as pop:
            pop.expect('DELE 1')
            pop.expect('QUIT')
        other = server.folder / 'other'
        shutil.copytree(server.folder / 'rules', other)
        (other / '50-new.toml').write_text('''
[[pattern]]
id = "pills"
in = "body"
match = 'cheap pills'
[[rule]]
id = "pills"
when = 'pattern.pills'
then = "reject"
[dnsbl.another]
zone = "another.test"
listed = { x = "127.0.0.2" }
private = true
probe = false
[[rule]]
id = "another"
when = 'dnsbl.another has x and mail.from == "joe@sender.test"'
then = "reject"
''')
        changed, summary = judged(server, '--rules', 'other', '--undecidable')
        equal((summary['undecidable_because'], summary['changed'], summary.get('reexamined')),
              ({'fact pattern.pills was not recorded': 4}, 0, None), 'without --reexamine')
        asked = len(server.dns.questions)
        for is_running in (True, False):
            if not is_running:
                server.terminate()
            changed, summary = judged(server, '--rules', 'other', '--undecidable', '--reexamine')
            equal({one['id']: one.get('new') for one in changed}, {kept[0]: 'reject', kept[2]: 'reject', gone: None}, f'changed ({is_running})')
            equal((summary['undecidable_because'], summary['reexamined']),
                  ({'fact pattern.pills was not recorded; the message is not kept': 1}, 3), 'with --reexamine')
        equal(len(server.dns.questions), asked, 'questions to the network')
        server.start()
        # A list whose questions were never asked cannot be asked now; one that was, under another name, can.
        lost = deliver(server, sender='joe@sender.test').id
        changed, summary = judged(server, '--rules', 'other', '--undecidable', '--reexamine', f'id:{lost}')
        equal(summary['undecidable_because'], {'fact dnsbl.another was not recorded; a DNS answer that it needs was not recorded': 1}, 'no answer')
        text = server.command('whatif', '--rules', 'other', '--reexamine').stdout
        check('records were examined again' in text and 'the message is not kept' in text, text)


def signed_by_sender(folder, message):
    """The message with a DKIM signature of sender.test, and the TXT record of its key."""
    key = subprocess.run(['openssl', 'genrsa', '-traditional', '2048'], check=True, capture_output=True).stdout
    public = subprocess.run(['openssl', 'rsa', '-pubout', '-outform', 'DER'], input=key, check=True, capture_output=True).stdout
    signature = dkim.sign(message, b's1', b'sender.test', key, canonicalize=(b'relaxed', b'relaxed'), include_headers=[b'from', b'subject'])
    return signature.replace(b'\r\n', b'\n').replace(b'\n', b'\r\n') + message, 'v=DKIM1; k=rsa; p=' + base64.b64encode(public).decode()


def test_spf_and_dkim_are_examined_with_the_answers_of_then():
    rules = '''
[[rule]]
id = "proved"
when = 'spf.result == pass and "sender.test" in dkim.pass'
then = "junk"
'''
    with Server(rules=RULES, zone=ZONE) as server:
        message, key = signed_by_sender(server.folder, MESSAGE)
        server.dns.update({('s1._domainkey.sender.test', 'TXT'): key})
        proved = deliver(server, message=message).id
        broken = deliver(server, message=message.replace(b'Subject: ', b'Subject: Re: ')).id
        forged = deliver(server, message=message, client='203.0.113.9').id
        record = server.explain(proved)
        equal((record['facts']['spf.result'], record['facts']['dkim.pass']), ('pass', ['sender.test']), 'facts')
        other = server.folder / 'other'
        shutil.copytree(server.folder / 'rules', other)
        (other / '50-new.toml').write_text(rules)
        changed, _ = judged(server, '--rules', 'other')
        equal([(one['id'], one['new']) for one in changed], [(proved, 'junk')], 'by the facts of then')
        server.terminate()
        for one in (proved, broken, forged):
            plant(server, one, '--without', 'spf.')
            plant(server, one, '--without', 'dkim.')
        # What the DNS says today is no answer of then: the key is gone and SPF allows everybody.
        server.dns.update({('s1._domainkey.sender.test', 'TXT'): 'v=DKIM1; p=', ('sender.test', 'TXT'): 'v=spf1 +all'})
        asked = len(server.dns.questions)
        changed, summary = judged(server, '--rules', 'other', '--undecidable')
        equal((summary['changed'], summary['undecidable']), (0, 3), f'without the facts: {summary}')
        changed, summary = judged(server, '--rules', 'other', '--undecidable', '--reexamine')
        equal([(one['id'], one.get('new')) for one in changed], [(proved, 'junk')], f'examined again: {summary}')
        equal((summary['undecidable'], summary['reexamined'], len(server.dns.questions)), (0, 3, asked), f'{summary}')


def test_a_customers_key_is_in_no_file_of_the_state():
    key = 'k3yofacustomer4711zz'
    zone = f'{key}.zen.dq.spamhaus.net'
    rules = RULES + f'''
[dnsbl.paid]
zone = "{zone}"
listed = {{ bad = "127.0.0.2" }}
probe = false
[[rule]]
id = "paid"
when = 'dnsbl.paid has bad'
then = "reject"
'''
    with Server(rules=rules, zone={**ZONE, (listed_name('203.0.113.66', zone), 'A'): '127.0.0.2'}) as server:
        accepted = deliver(server).id
        refused = deliver(server, client='203.0.113.66')
        equal(refused.code, 550, 'a client on the paid list')
        check(any(name.lower().endswith(zone) for name, _ in server.dns.questions), 'the list was not asked with its key')
        for id in (accepted, refused.id):
            check(key not in server.command('explain', id).stdout + server.command('explain', id, '--json').stdout, f'{id} shows the key')
        judged(server, '--rules', 'rules')
        server.command('feedback', accepted, 'spam')
        server.terminate()
        check(key not in server.log_text(), 'the log shows the key')
        for path in (server.folder / 'state').rglob('*'):
            check(not path.is_file() or key.encode() not in path.read_bytes().lower(), f'{path} has the key')
