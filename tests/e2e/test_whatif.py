"""`whatif` judges the past anew: under the same rules nothing changes, under others exactly what an independent count
over the log says."""
import json
import shutil

from harness import Server, Smtp, check, deliver, equal, wait_until
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
