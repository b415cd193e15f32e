"""The tools of who tunes rules and reviews refusals: log, explain, suspects, allow, rules hits."""
import json
import re
import subprocess
import time

from harness import MESSAGE, Server, Smtp, check, equal, wait_until
from test_machine import Machine

RULES = '''
[thresholds]
junk = 5
reject = 8

[[rule]]
id = "spf"
points = { 'spf.result == fail' = 6, 'spf.result == softfail' = 1 }
why = "SPF does not permit {client.ip}"
fix = "Name it in the SPF record"

[[rule]]
id = "unresolved"
when = 'helo.resolves == false'
points = 3

[[rule]]
id = "blocked"
when = 'mail.domain == "blocked.test"'
then = "reject"
why = "blocked.test may not send"
'''
ZONE = {
    ('sender.test', 'TXT'): ['v=spf1 -all'],
    ('good.test', 'TXT'): ['v=spf1 ip4:192.0.2.0/24 -all'],
    ('mail.good.test', 'A'): ['192.0.2.7'],
}


def send(server, address, sender, recipients, name='mail.good.test', message=MESSAGE):
    with Smtp(server) as client:
        client.become(address)
        client.hello(name)
        return client.send_mail(sender, recipients, message)


def traffic(server):
    """ids by what became of them: accept, reject (points), junk, blocked."""
    alice = ['alice@example.test']
    ids = {
        'accept': send(server, '192.0.2.7', 'ann@good.test', alice).id,
        'reject': send(server, '198.51.100.9', 'ann@sender.test', alice, name='nowhere.test').id,
        'junk': send(server, '198.51.100.9', 'ann@sender.test', ['bob@example.test']).id,
        'blocked': send(server, '198.51.100.10', 'x@blocked.test', alice).id,
    }
    wait_until(lambda: len([r for r in server.log() if r['verdict'] != 'none']) == 4, 'four decisions')
    return ids


def lines(server, *words):
    return [json.loads(line) for line in server.command(*words, '--json').stdout.splitlines()]


def test_log_finds_by_score_time_and_numbers():
    with Server(rules=RULES, zone=ZONE) as server:
        ids = traffic(server)

        def found(*query):
            return {r['id'] for r in server.log(*query)}
        equal(found('score>8'), {ids['reject']}, 'score>8')
        equal(found('score>=6'), {ids['reject'], ids['junk']}, 'score>=6')
        equal(found('-score<6'), {ids['reject'], ids['junk']}, '-score<6')
        equal(found('fact:message.size>10', '-score>0'), {ids['accept']}, 'size')
        equal(found('fact:message.size>1M'), set(), 'size over 1M')
        equal(found('since:1h', 'from:*@sender.test'), {ids['reject'], ids['junk']}, 'since')
        equal(found('until:1h'), set(), 'until')
        equal(found('verdict:reject', '-rule:spf'), {ids['blocked']}, '-rule')
        bad = server.command('log', 'scroe>5', check_code=64)
        check('did you mean "score:"' in bad.stderr, bad.stderr)


def test_log_counts_by_groups():
    with Server(rules=RULES, zone=ZONE) as server:
        traffic(server)
        rows = lines(server, 'log', '--by', 'sender-domain', 'verdict:*', '-verdict:none')
        equal([(r['value'], r['count']) for r in rows[:-1]], [('sender.test', 2), ('blocked.test', 1), ('good.test', 1)], 'groups')
        equal(rows[-1], {'summary': {'by': 'sender-domain', 'total': 4, 'others': 0}}, 'summary')
        equal(rows[0]['share'], 0.5, 'share')
        check(rows[0]['first'] < rows[0]['last'], 'first and last')
        table = server.command('log', '--by', 'verdict', '-verdict:none').stdout
        check(re.search(r'^ +2 +50\.0%  \d{4}-\d\d-\d\d \d\d:\d\d  \d{4}-\d\d-\d\d \d\d:\d\d  reject$', table, re.M), table)
        check('did you mean "recipient"' in server.command('log', '--by', 'recipent', check_code=64).stderr, 'suggestion')
        server.command('log', '--by', 'rule', '--chart', check_code=64)
        server.command('log', '--by', 'rule', '-f', check_code=64)


def test_log_draws_counts_over_time():
    with Server(rules=RULES, zone=ZONE) as server:
        traffic(server)
        rows = lines(server, 'log', '--chart', '-verdict:none')
        equal([sum(r[key] for r in rows) for key in ('count', 'taken', 'set_aside', 'refused')], [4, 1, 1, 2], 'counts')

        def drawn(**environment):
            words = [server.binary, 'log', '--chart', '-verdict:none', '-c', str(server.config)]
            return subprocess.run(words, env={'COLUMNS': '70', **environment}, capture_output=True, text=True, check=True).stdout
        ascii_chart = drawn(LC_ALL='C')
        check('#' in ascii_chart and ascii_chart.isascii(), ascii_chart)
        check('\u2588' in drawn(LC_ALL='C.UTF-8'), 'no blocks')
        check(all(len(line) <= 70 for line in ascii_chart.splitlines()), f'too wide: {ascii_chart}')


def test_explain_shows_the_rule_the_sum_and_the_evidence():
    with Server(rules=RULES, zone=ZONE) as server:
        ids = traffic(server)
        story = server.command('explain', ids['reject']).stdout
        for wanted in ('9  in total: 6 + 3 = 9', 'For the sender', '[thresholds]', 'reject = 8', f'name the id {ids["reject"]}'):
            check(wanted in ' '.join(story.split()) or wanted in story, f'no {wanted!r} in {story}')
        facts = story[story.index('\nFacts'):]
        check(re.search(r'spf\.result +fail\n +sender\.test TXT: v=spf1 -all', facts), f'no evidence of spf.result: {facts}')
        check(re.search(r'helo\.resolves +false\n +nowhere\.test', facts), f'no evidence of helo.resolves: {facts}')
        record = server.explain(ids['blocked'])
        check(record['rule_text'].startswith('[[rule]]\nid = "blocked"\n'), record['rule_text'])
        check(re.search(r'rules\.toml:\d+$', record['rule_place']), record['rule_place'])
        check('rules_note' not in record, 'a note')
        check('blocked.test may not send' in record['letter'].replace('\n', ' '), record['letter'])
        check('alice@example.test' in record['letter'], record['letter'])
        check(re.search(r'The nearest flip.*\n +if the threshold reject were above 9 instead of 8: it would have passed rcpt and gone on', story), story)
        flips = server.explain(ids['blocked'])['flips']
        equal([(f['kind'], f['what'], f['to']) for f in flips], [('rule', 'blocked', 'off')], 'flips')
        flips = server.explain(ids['junk'])['flips']
        equal((flips[0]['kind'], flips[0]['what'], flips[0]['verdict']), ('threshold', 'junk', 'accept'), 'the nearest flip of junk')
        check(any((f['what'], f['to'].split(' or ')[0], f['verdict']) == ('spf.result', 'softfail', 'accept') for f in flips), f'flips of junk: {flips}')


def test_explain_shows_the_rules_as_they_were():
    with Server(rules=RULES, zone=ZONE) as server:
        ids = traffic(server)
        before = server.explain(ids['blocked'])
        rules = server.folder / 'rules/rules.toml'
        for text in (RULES.replace('blocked.test may not send', 'gone').replace('reject = 8', 'reject = 20'), '[[rule'):
            rules.write_text(text)
            record = server.explain(ids['blocked'])
            check('as it stood then' in record['rules_note'], record)
            equal((record['rule_text'], record['flips']), (before['rule_text'], before['flips']), 'the rule of then')
            equal(server.explain(ids['reject'])['flips'][0]['to'], 'above 9', 'a flip under the rules of then')


def test_explain_shows_what_each_recipient_was_measured_by():
    rules = RULES + '''
[[override]]
recipients = ["bob@example.test"]
thresholds = { junk = 2, reject = 20 }

[[override]]
recipients = ["carol@example.test"]
worst = "junk"
'''
    place = re.escape('rules/rules.toml')
    at = {name: rules[:rules.index(f'[[override]]\nrecipients = ["{name}')].count('\n') + 1 for name in ('bob', 'carol')}
    with Server(rules=rules, zone=ZONE, accounts=('alice', 'bob', 'carol')) as server:
        identifier = send(server, '198.51.100.9', 'ann@sender.test', ['bob@example.test']).id
        story = server.command('explain', identifier).stdout
        check('6  in total; junk from 2, refused from 20' in story, story)
        check(re.search(rf'The deciding rule, /.*{place}:{at["bob"]}\n  \| \[\[override\]\]\n', story), story)
        identifier = send(server, '198.51.100.10', 'x@blocked.test', ['carol@example.test']).id
        record, story = server.explain(identifier), server.command('explain', identifier).stdout
        equal((record['verdict'], record['rule']), ('junk', 'blocked'), 'verdict')
        check(re.search(rf'the override /.*{place}:{at["carol"]} allows no worse than junk\n', story), story)
        check(re.search(rf'without worst = "junk" of the override /.*{place}:{at["carol"]}: reject by blocked', story), story)
        equal(record['measured_by'][0]['worst'], 'junk', 'measured_by')
        # Under the rules as they were, places are in their folder, too.
        before = record['rule_place']
        (server.folder / 'rules/rules.toml').write_text(RULES.replace('blocked.test may not send', 'gone'))
        record = server.explain(identifier)
        check('as it stood then' in record['rules_note'], record)
        equal(record['rule_place'], before, 'the place')


def test_explain_says_what_nobody_looked_at():
    with Server(rules=RULES, zone=ZONE) as server:
        identifier = send(server, '192.0.2.7', 'ann@good.test', ['nobody@example.test']).id
        equal(server.explain(identifier)['facts']['spf.result'], {'unknown': 'not looked at'}, 'spf.result')
        story = server.command('explain', identifier).stdout
        check(re.search(r'\nNot looked at .*\n(  .*\n)*  spf\.result\n', story), story)
        # What was asked and not answered yet, such as iprev.result, may say so.
        check(not re.search(r'spf\..*temperror', story), story)


def test_explain_of_what_no_rule_decided():
    with Server(rules=RULES, zone=ZONE) as server:
        reply = send(server, '192.0.2.7', 'ann@good.test', ['nobody@example.test'])
        story = server.command('explain', reply.id).stdout
        check('no rule decided this, and none can change it' in story, story)
        check('There is no such user here' in story, story)


def test_suspects_ranks_refusals_by_their_signs():
    rules = RULES + '''
[[rule]]
id = "too-eager"
when = 'mail.from == "bob@good.test"'
then = "reject"
'''
    with Server(rules=rules, zone=ZONE) as server:
        ids = traffic(server)
        mistake = send(server, '192.0.2.8', 'bob@good.test', ['alice@example.test']).id
        again = send(server, '192.0.2.8', 'bob@good.test', ['alice@example.test']).id
        unknown = send(server, '192.0.2.8', 'ann@good.test', ['nobody@example.test']).id
        wait_until(lambda: len([r for r in server.log() if r['verdict'] != 'none']) == 7, 'all decisions')
        *rows, summary = lines(server, 'suspects')
        equal(rows[0]['id'], again, 'the first is the latest try of what the sender\'s domain proved')
        signs = {s['sign']: s['weight'] for s in rows[0]['signs']}
        check({'spf_pass', 'domain_accepted', 'single_rule'} <= set(signs), f'signs {signs}')
        equal((rows[0]['weight'], rows[0]['tries'], rows[0]['rule']), (sum(signs.values()), 2, 'too-eager'), 'row')
        found = {r['id'] for r in rows}
        check(mistake not in found and unknown not in found and ids['accept'] not in found, f'found {found}')
        equal(summary['summary'] | {'shown': 0}, {'refusals': 5, 'judged': 0, 'shown': 0, 'capped': False}, 'summary')
        equal(len(lines(server, 'suspects', '-n', '1')), 2, 'rows of -n 1')
        equal([r['id'] for r in lines(server, 'suspects', 'rule:spf', '-verdict:junk')[:-1]], [ids['reject']], 'with a query')
        text = server.command('suspects', '-n', '1').stdout
        check(again in text and 'without one rule it would have passed: too-eager' in text, text)


def test_suspects_hides_no_other_message():
    rules = RULES + '''
[[pattern]]
id = "pills"
in = "body"
match = "pills"

[[rule]]
id = "pills"
when = 'pattern.pills'
then = "junk"

[[rule]]
id = "author"
when = 'from.domain == "other.test"'
then = "quarantine"
'''
    with Server(rules=rules, zone=ZONE) as server:
        mail = 'From: <ann@{}>\r\nSubject: x\r\n\r\n{}\r\n'
        first, again, other = (
            send(server, '192.0.2.7', 'ann@good.test', ['alice@example.test'], message=mail.format(*words).encode()).id
            for words in (('good.test', 'pills'), ('good.test', 'pills'), ('other.test', 'a body')))
        wait_until(lambda: len([r for r in server.log() if r['verdict'] != 'none']) == 3, 'all decisions')

        def found(*words):
            return {r['id']: r['tries'] for r in lines(server, 'suspects', *words)[:-1]}
        equal(found(), {again: 2, other: 1}, 'two messages')
        equal(found('rule:pills'), {again: 2}, 'by rule')
        equal(found('rule:author'), {other: 1}, 'by the other rule')
        equal(found(f'id:{first}'), {first: 2}, 'by the id of an earlier try')
        check(not re.search(r'"points":-?[0-9.]+E', server.command('suspects', '--json').stdout), 'points')
        server.command('feedback', again, 'ham')
        equal(set(found()), {other}, 'a message that was judged')


LIST_RULES = RULES + '''
[dnsbl.one]
zone = "one.lists.test"
listed = { bad = "127.0.0.2" }
private = true
probe = false

[dnsbl.two]
zone = "two.lists.test"
listed = { bad = "127.0.0.2" }
private = true
probe = false

[[rule]]
id = "one"
when = 'dnsbl.one has bad'
points = 9

[[rule]]
id = "two"
when = 'dnsbl.two has bad'
points = 1
'''


def test_rules_hits_counts_rules_and_lists():
    zone = {**ZONE, ('9.100.51.198.one.lists.test', 'A'): ['127.0.0.2'], ('9.100.51.198.two.lists.test', 'A'): ['127.0.0.2'],
            ('7.100.51.198.one.lists.test', 'A'): ['127.0.0.2']}
    with Server(rules=LIST_RULES, zone=zone) as server:
        alice = ['alice@example.test']
        both = send(server, '198.51.100.9', 'ann@good.test', alice)
        equal(both.code, 550, 'listed twice')
        equal(send(server, '198.51.100.7', 'ann@good.test', alice).code, 550, 'listed once')
        equal(send(server, '192.0.2.7', 'ann@good.test', alice).code, 250, 'not listed')
        wait_until(lambda: len([r for r in server.log() if r['verdict'] != 'none']) == 3, 'all decisions')
        rows = lines(server, 'rules', 'hits')
        rules = {r['rule']: r for r in rows if 'rule' in r}
        equal(list(rules), ['spf', 'unresolved', 'blocked', 'one', 'two'], 'rules in file order')
        equal([rules['one'][key] for key in ('hits', 'deciding', 'alone', 'suspects')], [2, 2, 2, 0], 'one')
        equal([rules['two'][key] for key in ('hits', 'deciding', 'alone')], [1, 1, 0], 'two')
        equal((rules['blocked']['hits'], rules['blocked']['last']), (0, None), 'without hits')
        check(re.search(r'rules\.toml:\d+$', rules['one']['origin']), rules['one'])
        lists = {r['list']: r for r in rows if 'list' in r}
        equal([lists['dnsbl.one'][key] for key in ('known', 'hits', 'alone', 'overlap')], [3, 2, 1, {'dnsbl.two': 1}], 'list one')
        equal([lists['dnsbl.two'][key] for key in ('known', 'hits', 'alone')], [3, 1, 0], 'list two')
        check(lists['dnsbl.one']['answers'] == 3 and 0 < lists['dnsbl.one']['median_micros'] <= lists['dnsbl.one']['p99_micros'], lists)
        server.dns.fault = 'servfail'
        send(server, '198.51.100.12', 'ann@good.test', alice)
        wait_until(lambda: [r for r in lines(server, 'rules', 'hits') if r.get('list') == 'dnsbl.one' and r['timed_out'] == 1], 'a time-out')
        table = server.command('rules', 'hits').stdout
        check(re.search(r'^ +2 +2 +2 +0  \d{4}-\d\d-\d\dT\d\d:\d\d  enforce  one$', table, re.M), table)
        check('never' in table and 'two 50%' in table, table)
        equal([r['hits'] for r in lines(server, 'rules', 'hits', '--since', '2099-01-01') if 'rule' in r], [0] * 5, 'since')


def test_allow_proposes_the_narrowest_exception_that_works():
    with Server(rules=RULES, zone=ZONE) as server:
        ids = traffic(server)
        other = send(server, '198.51.100.99', 'ann@sender.test', ['alice@example.test'], name='nowhere.test').id
        proposal = lines(server, 'allow', '--from', ids['reject'])[0]
        # No signature, and SPF failed: what is left is the address from its network.
        equal((proposal['kind'], proposal['when']), ('address', 'mail.from == "ann@sender.test" and client.ip in "198.51.100.0/24"'), 'proposal')
        equal({o['id'] for o in proposal['other_ids']}, {ids['junk'], other}, 'what else it lets in')
        equal(proposal['others'], 2, 'how many')
        equal(proposal['written'], None, 'nothing is written')
        text = server.command('allow', '--from', ids['reject'], '--days', '30').stdout
        check('domains = ["example.test"]' in text and ids['junk'] in text and '[[test]]' in text, text)
        # A rule that answers at MAIL decides before any exception for a recipient's domain could: it is off for this client.
        proposal = lines(server, 'allow', '--from', ids['blocked'])[0]
        equal((proposal['kind'], proposal['when'], proposal['place']), ('client', '198.51.100.10', ''), 'what decides at MAIL')
        equal([t['kind'] for t in proposal['tried']], ['address', 'network'], 'tried before')
        check('[[override]]' in proposal['toml'] and '"blocked" = "shadow"' in proposal['toml'], proposal['toml'])


def test_allow_writes_an_exception_that_lets_mail_in():
    with Server(rules=RULES, zone=ZONE) as server:
        ids = traffic(server)
        file = server.folder / 'rules/00-exceptions.toml'
        file.write_text('# mine')
        proposal = lines(server, 'allow', '--from', ids['blocked'], '--write', str(file))[0]
        equal(proposal['written'], str(file), 'written')
        check(file.read_text().startswith('# mine\n\n# ' + ids['blocked']), file.read_text())
        server.command('rules', 'test')
        server.reload()
        wait_until(lambda: send(server, '198.51.100.10', 'x@blocked.test', ['alice@example.test']).code == 250, 'let in')
        # The same address from elsewhere is refused as before.
        equal(send(server, '203.0.113.10', 'x@blocked.test', ['alice@example.test']).code, 550, 'from another network')
        before = file.read_text()
        again = server.command('allow', '--from', ids['blocked'], '--write', str(file), check_code=1)
        check('the rules in force let' in again.stderr, again.stderr)
        equal(file.read_text(), before, 'the file after a refused write')


def test_allow_says_what_it_cannot_do():
    with Server(rules=RULES, zone=ZONE) as server:
        ids = traffic(server)
        unknown = send(server, '192.0.2.7', 'ann@good.test', ['nobody@example.test']).id
        relay = send(server, '192.0.2.7', 'ann@good.test', ['x@elsewhere.test']).id
        for identifier, words in ((unknown, 'no rule can allow that'), (relay, 'no rule can allow that'), (ids['accept'], 'was not refused')):
            result = server.command('allow', '--from', identifier, check_code=1)
            check(words in result.stderr and not result.stdout, f'{identifier}: {result.stderr}')
        server.command('allow', '--from', '0' * 20, check_code=1)
        server.command('allow', '--from', 'what', check_code=1)
        outside = server.folder / 'outside.toml'
        result = server.command('allow', '--from', ids['reject'], '--write', str(outside))
        check('in none of the folders' in result.stderr and outside.exists(), result.stderr)
        for words in ((ids['reject'], 'has allow-'), (ids['blocked'], None), (ids['blocked'], 'has allow-')):
            before = outside.read_text()
            result = server.command('allow', '--from', words[0], '--write', str(outside), check_code=1 if words[1] else 0)
            check((words[1] or '') in result.stderr and (outside.read_text() == before) == bool(words[1]), f'{words}: {result.stderr}')
        outside.write_text('[[rule]]\nid = "half\n')
        result = server.command('allow', '--from', ids['junk'], '--write', str(outside), check_code=1)
        check('outside.toml:2' in result.stderr and outside.read_text() == '[[rule]]\nid = "half\n', result.stderr)
        check('*.toml' in server.command('allow', '--from', ids['reject'], '--write', 'x.txt', check_code=1).stderr, 'another suffix')
        target = server.folder / 'rules/link.toml'
        target.symlink_to(server.folder / 'elsewhere.toml')
        server.command('allow', '--from', ids['reject'], '--write', str(target), check_code=None)
        check(not (server.folder / 'elsewhere.toml').exists(), 'a link was followed')


def test_allow_writes_nothing_that_would_change_nothing():
    rules = RULES + """
[[rule]]
id = "large"
when = 'message.size > 1 and mail.domain == "good.test"'
then = "reject"
at = "end"
"""
    with Server(rules=rules, zone=ZONE) as server:
        refused = send(server, '192.0.2.7', 'ann@good.test', ['alice@example.test']).id
        late = server.folder / 'rules/00.toml'
        proposal = lines(server, 'allow', '--from', refused)[0]
        equal((proposal['kind'], proposal['when']), ('spf', 'spf.result == pass and mail.domain == "good.test"'), 'proposal')
        text = server.command('allow', '--from', refused, '--write', str(late)).stdout
        check('expires = ' in text and late.read_text().startswith('# ' + refused), text)
        server.command('rules', 'test')
        # A second one for the same refusal has nothing to add.
        before = late.read_text()
        server.command('allow', '--from', refused, '--write', str(late), check_code=1)
        equal(late.read_text(), before, 'the file')


SLIP_RULES = RULES + '''
[[rule]]
id = "slip"
when = 'helo.name == "bad.helo.test" and mail.domain matches "^g[0-9]"'
then = "reject"
'''


def test_a_rule_that_refuses_good_senders_goes_into_shadow():
    zone = {**ZONE, **{(f'g{i}.test', 'TXT'): ['v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.0/24 ip4:203.0.113.0/24 ip4:10.0.0.0/8 -all'] for i in range(5)}}
    with Machine(rules=SLIP_RULES, zone=zone) as server:
        # All of it lies within the next hour of the clock and the one after: no step can fall upon the end of one.
        into_the_hour = 60 - int(time.time()) % 3600
        server.say(f'clock {into_the_hour + 3600}')
        greet_as_good_senders(server, 3)
        server.say(f'clock {into_the_hour + 7200}')
        greet_as_good_senders(server, 2)
        trip(server, 0)
        status = in_shadow(server)
        equal((status[0]['rule'], 'known to be good' in status[0]['reason']), ('slip', True), 'status')
        check('a rule has gone into shadow by itself' in server.log_text(), 'no line in the log')
        passed = slip(server, '10.0.9.1')
        equal(passed.code, 250, 'in shadow')
        equal(server.explain(passed.id)['rules_in_shadow'], ['slip'], 'the record')
        changed = lines(server, 'whatif', '--rules', str(server.folder / 'rules'))[-1]['summary']
        equal((changed['changed'], changed['undecidable']), (0, 0), 'replay under the same rules')
        rules_show_tells(server, status[0])
        server.command('rules', 'reset', 'nothing', check_code=1)
        server.command('rules', 'reset', check_code=64)
        check('slip is in force again' in server.command('rules', 'reset', 'slip').stdout, 'reset')
        check('breaker' not in server.command('rules', 'show').stdout, 'rules show after the reset')
        equal(slip(server, '10.0.9.1').code, 550, 'in force again')
        # Who resets it has found it right: it is left alone for two days.
        trip(server, 1)
        equal(json.loads(server.command('status', '--json').stdout)['rules_in_shadow'], [], 'soon after the reset')
        server.say(f'clock {into_the_hour + 7200 + 49 * 3600}')
        # What it has done outlives the server, and can be ended without one.
        trip(server, 2)
        status = in_shadow(server)
        server.terminate()
        rules_show_tells(server, status[0])
        server.start()
        equal(slip(server, '10.0.9.1').code, 250, 'in shadow after a restart')
        server.terminate()
        server.command('rules', 'reset', 'nothing', check_code=1)
        equal(lines(server, 'rules', 'reset', 'slip'), [{'rule': 'slip', 'result': 'reset'}], 'reset without a server')
        check('breaker' not in server.command('rules', 'show').stdout, 'rules show after the reset')
        server.start()
        equal(slip(server, '10.0.9.1').code, 550, 'in force again')


def test_senders_whose_mail_was_labelled_ham_are_known_to_be_good():
    zone = {**ZONE, **{(f'g{i}.test', 'TXT'): ['v=spf1 ip4:192.0.2.0/24 ip4:10.0.0.0/8 -all'] for i in range(5)}}
    with Server(rules=SLIP_RULES, zone=zone) as server:
        for i in range(5):
            taken = send(server, '192.0.2.7', f'ann@g{i}.test', ['alice@example.test'])
            equal(taken.code, 250, taken.text)
            server.command('feedback', taken.id, 'ham')
        trip(server, 0)
        equal(in_shadow(server)[0]['rule'], 'slip', 'status')
        equal(slip(server, '10.0.9.1').code, 250, 'in shadow')


def slip(server, address, domain='g1.test'):
    return send(server, address, f'ann@{domain}', ['alice@example.test'], name='bad.helo.test')


def greet_as_good_senders(server, messages):
    for i in range(5):
        with Smtp(server) as client:
            client.become('192.0.2.7')
            client.hello('mail.good.test')
            for _ in range(messages):
                equal(client.send_mail(f'ann@g{i}.test', ['alice@example.test']).code, 250, 'a good sender')


def trip(server, network):
    """Each from a network of its own; within one hour of the clock."""
    equal([slip(server, f'10.{network}.{i}.1', f'g{i}.test').code for i in range(5)], [550] * 5, 'until it trips')


def in_shadow(server):
    return wait_until(lambda: json.loads(server.command('status', '--json').stdout)['rules_in_shadow'], 'the breaker')


def rules_show_tells(server, status):
    row, = [r for r in lines(server, 'rules', 'show') if 'breaker' in r]
    want = {**{key: status[key] for key in ('since', 'until', 'reason')}, 'reset': 'mailwicket rules reset slip'}
    equal((row['check'], row['mode'], row['breaker']), ('slip', 'shadow', want), 'the row of rules show')
    table = server.command('rules', 'show').stdout
    check(re.search(r'^rule +slip .* shadow \(breaker\) ', table, re.M), table)
    check(re.search(r'^  slip since 20\S+ until 20\S+: .*known to be good\n    `mailwicket rules reset slip` ends that$', table, re.M), table)
