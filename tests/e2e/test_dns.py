"""The DNS gone, slow or lying: mail goes on, nothing is refused for good, and the record says what was not known."""
import json
import re
import time

from dns_server import DnsServer, listed_name, reverse_name
from harness import MESSAGE, NO_RULES, RELEASE_BINARY, SIGNATURE, Server, Smtp, check, deliver, equal, mailbox_count, wait_until
from test_machine import Machine

LISTS = ''.join(f'''
[dnsbl.{name}]
zone = "{name}.lists.test"
of = "client.ip"
listed = {{ bad = "127.0.0.2", worse = "127.0.0.4" }}
private = true
probe = false
timeout = "3s"

[[rule]]
id = "{name}-bad"
points = {{ 'dnsbl.{name} has worse' = 7, 'dnsbl.{name} has bad' = 5 }}
''' for name in ('one', 'two'))
RULES = '[thresholds]\njunk = 5\nreject = 12\n' + LISTS + '''
[[rule]]
id = "spf-fail"
points = { 'spf.result == fail' = 3 }

[[rule]]
id = "no-reverse-name"
points = { 'iprev.result == fail' = 2 }
'''
ZONE = {('sender.test', 'TXT'): 'v=spf1 ip4:198.51.100.7 -all', ('sender.test', 'MX'): '10 mx.sender.test',
        ('mx.sender.test', 'A'): '198.51.100.7', ('client.sender.test', 'A'): '198.51.100.7',
        (reverse_name('198.51.100.7'), 'PTR'): 'client.sender.test',
        (listed_name('203.0.113.66', 'one.lists.test'), 'A'): '127.0.0.2',
        (listed_name('203.0.113.66', 'two.lists.test'), 'A'): '127.0.0.4',
        (listed_name('203.0.113.67', 'one.lists.test'), 'A'): '127.255.255.254'}


def unknown_facts(record):
    return sorted(name for name, value in record['facts'].items() if isinstance(value, dict) and 'unknown' in value)


def test_the_checks_see_what_the_dns_says():
    with Server(rules=RULES, zone=ZONE) as server:
        record = server.explain(deliver(server).id)
        equal(record['facts'].get('spf.result'), 'pass', 'spf.result')
        equal(record['facts'].get('iprev.result'), 'pass', 'iprev.result')
        equal(record['facts'].get('dnsbl.one'), [], 'dnsbl.one')
        check(record['dns'], 'no DNS evidence')
        reply = deliver(server, client='203.0.113.66')
        equal(reply.code, 550, 'a client on both lists')
        record = server.explain(reply.id)
        equal((record['facts']['dnsbl.one'], record['facts']['dnsbl.two']), (['bad'], ['worse']), 'lists')
        equal(record['rule'], 'threshold:reject', 'rule')
        reply = deliver(server, client='203.0.113.67')
        check('dnsbl.one' in unknown_facts(server.explain(reply.id)), 'a refusal code of a list counts as an answer')


NAMES = {'client.name', 'iprev.names', 'iprev.result', 'helo.resolves'}
LIST_FACTS = {'dnsbl.one', 'dnsbl.two'}
SPF = {'spf.result', 'spf.helo.result'}
# A list that may lack something has no value but what is on it.
KEY = {'dkim.results', 'dkim.pass', 'dkim.weak'}
# What the DNS does, and what is not known then of a signed message.
FAULTS = {
    'servfail': NAMES | LIST_FACTS | SPF | KEY,
    'refused': NAMES | LIST_FACTS | SPF | KEY,
    'loop': NAMES | LIST_FACTS | SPF | KEY,
    'silent': NAMES | LIST_FACTS | SPF | KEY | {'spf.explanation', 'spf.permits_all'},
    # The key is asked for at the end of data only, and comes within the time that there is then. SPF asks ahead, and may have had
    # its answers in time: of its facts below.
    'slow:5': NAMES | LIST_FACTS,
    'huge': SPF | KEY,
    # An answer outside 127/8 is neither listed nor not listed.
    'wildcard:203.0.113.1': LIST_FACTS,
    # Answers all the same: there is no such name, there is nothing of that type.
    'nxdomain': set(),
    'lame': set(),
    'truncate': set(),
    'wrong_id': set(),
}
SPF_WORDS = {'nxdomain': ['none'], 'lame': ['none'], 'wildcard:203.0.113.1': ['none'], 'truncate': ['pass'], 'wrong_id': ['pass'],
             'slow:5': ['temperror', 'pass']}


def not_known(record):
    """The facts that are unknown, or say so in their own word."""
    def says_so(value):
        return value == 'temperror' or isinstance(value, list) and any(isinstance(one, dict) and one.get('result') == 'temperror' for one in value)
    return {*unknown_facts(record), *(name for name, value in record['facts'].items() if says_so(value))}


def send_timed(server, sender='ann@sender.test'):
    """One signed message; the reply, and the seconds from the final dot to it."""
    with Smtp(server) as smtp:
        smtp.become('198.51.100.7')
        smtp.hello()
        smtp.expect(f'MAIL FROM:<{sender}>', 250)
        smtp.expect('RCPT TO:<alice@example.test>', 250)
        smtp.expect('DATA', 354)
        smtp.send(SIGNATURE + MESSAGE)
        start = time.monotonic()
        smtp.send(b'.\r\n')
        reply = smtp.reply()
        return reply, time.monotonic() - start


def fault_test(fault, wanted):
    def test():
        with Server(rules=RULES, zone=ZONE) as server:
            server.dns.fault = fault
            reply, took = send_timed(server)
            equal(reply.code, 250, f'the reply while the DNS is {fault}')
            check(took < 20, f'{took:.0f} s from the final dot to the reply while the DNS is {fault}')
            record = server.explain(reply.id)
            unknown = {name for name in not_known(record) if fault != 'slow:5' or not name.startswith('spf.')}
            equal(unknown, wanted, f'what is not known while the DNS is {fault}')
            check(record['facts']['spf.result'] in SPF_WORDS.get(fault, ['temperror']), f'spf.result: {record["facts"]["spf.result"]}')
    return test


GENERATED = [(f'e6_{fault.replace(":", "_").replace(".", "_")}', fault_test(fault, wanted)) for fault, wanted in FAULTS.items()]


def test_e6_with_the_dns_stopped_the_shipped_rules_still_take_mail():
    """Acceptance 4."""
    with Server(rules=None, zone=ZONE) as server:
        server.dns.stop()
        for sender in ('ann@sender.test', ''):
            reply, took = send_timed(server, sender)
            equal(reply.code, 250, 'reply')
            check(took < 20, f'{took:.0f} s from the final dot to the reply')
            record = server.explain(reply.id)
            check(not_known(record) >= NAMES | SPF | KEY, f'what is not known: {not_known(record)}')
            story = server.command('explain', reply.id).stdout
            for name in NAMES | SPF:
                check(re.search(rf'unknown.*{re.escape(name)}|{re.escape(name)}.*(unknown|temperror)', story), f'explain does not tell {name}: {story}')
        reply = deliver(server, recipients=['nobody@example.test'])
        equal((reply.code, reply.enhanced), (550, '5.1.1'), 'an unknown user is still unknown')


def test_what_is_still_being_looked_at_is_unknown_in_the_record():
    with Server(rules=RULES, zone=ZONE) as server:
        server.dns.fault = 'slow:2'
        with Smtp(server) as client:
            client.hello('relay.test')
            client.expect('XCLIENT ADDR=198.51.100.7', 220)
            client.hello('mail.sender.test')
            client.expect('MAIL FROM:<ann@sender.test>', 250)
            reply = client.ask('RCPT TO:<nobody@example.test>')
            equal(reply.code, 550, 'an unknown user')
            client.expect('QUIT', 221)
        record = server.explain(reply.id)
        facts = record['facts']
        equal(facts.get('helo.form'), 'fqdn', 'helo.form needs no DNS')
        equal(facts.get('iprev.result'), 'temperror', 'iprev.result')
        equal(facts.get('spf.result'), {'unknown': 'not looked at'}, 'spf.result')
        for name in ('client.name', 'helo.resolves', 'spf.explanation'):
            check('unknown' in (facts.get(name) or {}), f'{name}: {facts.get(name)}')
        asked = [row for row in record['dns'] if row['type'] == 'PTR']
        equal([row['status'] for row in asked], ['try_again'], 'the question that is under way')


def test_what_was_asked_in_vain_is_in_the_record():
    with Server(rules=RULES, zone=ZONE) as server:
        server.dns.fault = 'silent'
        reply = deliver(server)
        equal(reply.code, 250, 'reply')
        record = server.explain(reply.id)
        asked = {row['name']: row for row in record['dns'] if row['type'] == 'TXT'}
        check('sender.test' in asked, f'the questions of SPF: {record["dns"]}')
        equal(asked['sender.test']['status'], 'try_again', 'status')
        check(asked['sender.test']['micros'] > 0, 'the time so far')


DEFERRING = """[thresholds]
junk = 5
reject = 12
[[rule]]
id = "spf-or-wait"
when = 'spf.result == fail'
then = "reject"
on_unknown = "defer"
%s
"""


def tries(server, count, **mail):
    """The codes of so many tries of the same message from neighbouring hosts."""
    return [deliver(server, client=f'198.51.100.{n + 1}', **mail).code for n in range(count)]


def test_an_unknown_defers_the_same_recipient_twice_and_not_again():
    """Without a message there is no hash: network, sender and recipient count."""
    server = Server(rules=DEFERRING % '', zone=ZONE)
    server.dns.fault = 'servfail'
    try:
        server.start()
        equal(tries(server, 1), [451], 'the first try')
        server.terminate()
        server.start()
        equal(tries(server, 3), [451, 250, 250], 'the tries after a restart')
        equal(tries(server, 2, recipients=['bob@example.test']), [451, 451], 'another recipient')
        equal(tries(server, 1, sender='eve@sender.test'), [451], 'another sender')
        equal(deliver(server, client='192.0.2.1').code, 451, 'another network')
        reply = deliver(server, client='198.51.100.9')
        equal(reply.code, 250, 'the old one')
        record = server.explain(reply.id)
        equal(record['facts'].get('deferred.envelope'), 2, 'the count in the record')
        check('spf-or-wait' in record['unknown_rules'], 'the rule is not among the unknown')
    finally:
        server.stop()


def test_an_unknown_defers_the_same_message_twice_and_not_again():
    server = Server(rules=DEFERRING % 'at = "end"', zone={('known.test', 'TXT'): 'v=spf1 -all'})
    server.dns.fault = 'servfail'
    both = ['alice@example.test', 'bob@example.test']
    try:
        server.start()
        equal(tries(server, 2), [451, 451], 'the first two tries')
        server.terminate()
        server.start()
        reply = deliver(server)
        equal(reply.code, 250, 'the third try, after a restart')
        record = server.explain(reply.id)
        equal(record['facts'].get('deferred.message'), 2, 'the count in the record')
        equal((record['rule'], record['unknown_rules']), ('default', ['spf-or-wait']), 'rules')
        equal(tries(server, 3, message=MESSAGE + b'more\r\n'), [451, 451, 250], 'another message')
        equal(tries(server, 3, recipients=both), [451, 451, 250], 'more recipients')
        equal(tries(server, 1, recipients=both[::-1]), [250], 'the same in another order')
        equal(deliver(server, client='192.0.2.1').code, 451, 'another network')
        server.dns.fault = 'ok'
        equal(deliver(server, sender='eve@known.test').code, 550, 'what is known is judged as ever')
        equal(mailbox_count(server), 4, 'messages')
    finally:
        server.stop()


def test_e6_a_list_that_lists_everything_is_switched_off():
    rules = RULES.replace('probe = false', 'probe = true')
    dns = DnsServer(ZONE)
    dns.faults = {'one.lists.test': 'wildcard:127.0.0.2'}
    try:
        with Server(rules=rules, dns=dns) as server:
            reply = deliver(server)
            equal(reply.code, 250, 'reply')
            record = server.explain(reply.id)
            check('dnsbl.one' in unknown_facts(record), f'the list counts: {record["facts"].get("dnsbl.one")}')
            check('one' in server.log_text(), 'the log does not say that the list is off')
    finally:
        dns.stop()


def list_status(server, name):
    """What `status` says of one list."""
    found, = [row for row in json.loads(server.command('status', '--json').stdout)['dns_lists'] if row['list'] == name]
    return found


def test_a_list_that_begins_to_list_everything_is_off_with_the_first_hit():
    """Its test entry was asked a moment ago, and the cache still knows that answer."""
    rules = RULES.replace('probe = false', 'probe = true')
    dns = DnsServer({**ZONE, **{(listed_name('127.0.0.2', f'{name}.lists.test'), 'A'): '127.0.0.2' for name in ('one', 'two')}})
    try:
        with Server(rules=rules, dns=dns) as server:
            for name in ('one', 'two'):
                wait_until(lambda: list_status(server, name)['in_use'], f'the first probe of {name}')
            since = list_status(server, 'one')['since']
            dns.faults = {'one.lists.test': 'wildcard:127.0.0.2'}
            reply = deliver(server, client='198.51.100.9')
            equal((reply.code, server.explain(reply.id)['facts']['dnsbl.one']), (250, ['bad']), 'the message that shows it')
            status = wait_until(lambda: not list_status(server, 'one')['in_use'] and list_status(server, 'one'), 'the list to be off', 10)
            equal(status['reason'], 'it lists everybody: 127.0.0.1, which must not be listed, is 127.0.0.2', 'why')
            check(status['since'] > since and status['zone'] == 'one.lists.test', f'{status}')
            check(f'is off since {status["since"]}: {status["reason"]}' in server.command('status').stdout, 'the text of status')
            check(status['reason'] in server.log_text(), 'the log')
            record = server.explain(deliver(server, client='198.51.100.10').id)
            equal(unknown_facts(record), ['dnsbl.one'], 'unknown facts of the next message')
            equal(server.explain(deliver(server, client='203.0.113.66').id)['facts']['dnsbl.two'], ['worse'], 'the other list')
            equal(list_status(server, 'two')['in_use'], True, 'a list that hits and is well')
    finally:
        dns.stop()


def test_status_tells_no_key_of_a_list():
    key = 'abcdefghijklmnopqrstuvwxyz'
    rules = RULES.replace('one.lists.test', f'{key}.lists.test').replace('probe = false', 'probe = true')
    with Server(rules=rules, zone=ZONE) as server:
        status = wait_until(lambda: 'since' in list_status(server, 'one') and list_status(server, 'one'), 'the first probe')
        equal((status['zone'], status['in_use']), ('(key).lists.test', False), 'the list')
        equal(status['reason'], 'it is dead: 127.0.0.2, which must be listed, is not (no_such_name)', 'why')
        check(key not in server.command('status').stdout + server.command('status', '--json').stdout + server.log_text(), 'the key is told')


def test_a_message_asks_sixty_lists_at_most():
    rules = NO_RULES + ''.join(f'[dnsbl.l{i}]\nzone = "l{i}.test"\nof = "{of}"\nlisted = {{ x = "127.0.0.2" }}\nprobe = false\n'
                               for i, of in enumerate(['client.ip'] * 20 + ['mail.domain'] * 45))
    with Server(rules=rules, zone={('sender.test', 'A'): '192.0.2.1'}) as server, Smtp(server) as client:
        client.become('198.51.100.1')
        client.hello()
        for _ in range(2):
            client.expect('MAIL FROM:<a@sender.test>', 250)
            client.expect('RCPT TO:<alice@example.test>', 250)
            client.expect('DATA', 354)
            client.send(MESSAGE + b'.\r\n')
            facts = server.explain(client.reply().id)['facts']
            lists = [value for name, value in facts.items() if name.startswith('dnsbl.')]
            equal((lists.count([]), lists.count({'unknown': '60 lists were asked for this message'})), (60, 5), 'lists')


SPF_QUESTIONS = 40  # of one message, on the wire; spf_question_limit in filters/scan/spf_evaluation.hpp


def include_tree(zone, root, fan_out=10, depth=5):
    """The record of `root` includes others, which include others: fan_out ** depth names."""
    names = [root]
    for level in range(depth):
        # Deeper ones are the same for all: what is asked for is bounded long before.
        children = [f'{level}-{n}.{root}' for n in range(fan_out)]
        for name in names:
            zone[name, 'TXT'] = 'v=spf1 ' + ' '.join(f'include:{child}' for child in children) + ' -all'
        names = children


def spf_attacks():
    """(zone, {domain: the result}): what crashes bare libspf2, or makes it ask without end."""
    macros = '%{d}' * 127 + 'A' * 6000  # CVE-2023-42118
    zone = {('domain-spec.test', 'TXT'): 'v=spf1 a:' + macros, ('exp.test', 'TXT'): 'v=spf1 -all exp=' + macros,
            ('exp-text.test', 'TXT'): 'v=spf1 -all exp=text.exp-text.test', ('text.exp-text.test', 'TXT'): macros,
            ('many-ip4.test', 'TXT'): 'v=spf1' + ' ip4:198.51.100.1' * 150 + ' -all',
            ('many-ip6.test', 'TXT'): 'v=spf1' + ' ip6:2001:db8::1' * 150 + ' -all',
            ('voids.test', 'TXT'): 'v=spf1' + ''.join(f' a:v{n}.voids.test' for n in range(9)) + ' -all',
            ('hosts.test', 'TXT'): 'v=spf1' + ''.join(f' mx:m{n}.hosts.test' for n in range(10)) + ' -all'}
    for term in range(10):
        zone[f'm{term}.hosts.test', 'MX'] = [f'10 h{host}.m{term}.hosts.test' for host in range(10)]
        zone.update({(f'h{host}.m{term}.hosts.test', 'A'): '198.51.100.1' for host in range(10)})
    include_tree(zone, 'tree.test')
    return zone, {'domain-spec.test': 'permerror', 'exp.test': 'permerror', 'exp-text.test': 'fail', 'many-ip4.test': 'fail',
                  'many-ip6.test': 'fail', 'voids.test': 'permerror', 'hosts.test': 'temperror', 'tree.test': 'permerror'}


def test_what_breaks_libspf2_breaks_no_worker():
    zone, attacks = spf_attacks()
    with Server(zone=zone, tables='[filters]\noff = ["iprev", "helo", "dkim"]\n', binary=RELEASE_BINARY) as server:
        workers = server.workers()
        for domain, want in attacks.items():
            before = len(server.dns.asked())
            reply = deliver(server, sender=f'{"l" * 64}@{domain}', client='192.0.2.1')
            equal(reply.code, 250, domain)
            equal(server.explain(reply.id)['facts'].get('spf.result'), want, domain)
            asked = server.dns.asked()[before:]
            # One that gets no answer in time, or a short one, is asked again.
            check(1 <= len(set(asked)) <= SPF_QUESTIONS and len(asked) <= 2 * SPF_QUESTIONS, f'{len(asked)} questions for {domain}: {asked}')
        status = json.loads(server.command('status', '--json').stdout)
        equal(status['scan_crashes'], 0, 'workers that crashed')
        check(status['scan_jobs'] >= len(attacks), f'{status["scan_jobs"]} jobs')
        check(set(server.workers()) & set(workers), 'all workers have been replaced')


GREYLISTING = NO_RULES + """
[[rule]]
id = "stranger"
when = 'client.port > 0'
then = "greylist"
"""


def test_who_was_greylisted_passes_when_it_comes_again():
    with Machine(rules=GREYLISTING) as server:
        reply = deliver(server, client='198.51.100.1')
        equal((reply.code, reply.enhanced), (451, '4.7.1'), 'a stranger')
        equal(server.explain(reply.id)['verdict'], 'greylist', 'its verdict')
        equal(deliver(server, client='198.51.100.2').code, 451, 'the same at once')
        server.say('clock 301')
        equal(deliver(server, client='198.51.100.3', sender='eve@sender.test').code, 451, 'another sender')
        reply = deliver(server, client='198.51.100.3')
        equal(reply.code, 250, 'a neighbour five minutes later')
        record = server.explain(reply.id)
        check(record['facts']['greylist.age'] >= 301, f'{record["facts"]}')
        server.terminate()
        server.start()
        server.say(f'clock {20 * 86400}')
        equal(deliver(server, client='198.51.100.3').code, 250, 'weeks later, after a restart')
        equal(deliver(server, client='198.51.100.3', sender='eve@sender.test').code, 451, 'who did not come again')


def test_a_sender_in_unicode_is_looked_up_by_its_a_labels():
    rules = NO_RULES + '[[rule]]\nid = "spf"\nwhen = \'spf.result == fail\'\npoints = 1\n' \
                       '[[rule]]\nid = "bad"\nwhen = \'mail.domain == "räuber.test"\'\nthen = "reject"\n'
    zone = {('xn--bcher-kva.test', 'TXT'): 'v=spf1 -all'}
    with Server(rules=rules, zone=zone) as server:
        def send(sender):
            with Smtp(server) as client:
                client.become('198.51.100.1')
                client.hello()
                client.expect(f'MAIL FROM:<{sender}> SMTPUTF8', 250)
                rcpt = client.ask('RCPT TO:<alice@example.test>')
                if rcpt.code != 250:
                    return rcpt
                client.expect('DATA', 354)
                client.send(MESSAGE + b'.\r\n')
                return client.reply()
        for sender in ('a@bücher.test', 'a@xn--bcher-kva.test'):
            record = server.explain(send(sender).id)
            equal(record['facts']['mail.domain'], 'xn--bcher-kva.test', sender)
            equal(record['facts']['spf.result'], 'fail', sender)
        for sender in ('a@räuber.test', 'a@xn--ruber-gra.test'):
            equal(send(sender).code, 550, sender)


def test_a_dot_at_the_end_of_a_greeting_hides_nothing():
    rules = '''
[dnsbl.h]
zone = "h.list.test"
of = "helo.name"
listed = { bad = "127.0.0.2" }
probe = false
[[rule]]
id = "listed"
when = 'dnsbl.h has bad'
then = "reject"
[[rule]]
id = "named"
when = 'helo.name == "known.test"'
then = "reject"
'''
    with Server(rules=rules, zone={('bad.test.h.list.test', 'A'): '127.0.0.2'}) as server:
        for helo, code in (('bad.test', 550), ('bad.test.', 550), ('BAD.test.', 550), ('known.test', 550), ('known.test.', 550), ('x.test.', 250)):
            equal(deliver(server, helo=helo).code, code, helo)
        # What no name server can be asked is on no list, and no answer is made up for it.
        record = server.explain(deliver(server, helo='a..b').id)
        check('dnsbl.h' not in record['facts'] and not any('h.list.test' in one['name'] for one in record['dns']), f'{record["dns"]}')


def test_a_greeting_that_has_only_a_mail_exchanger_resolves():
    with Server(rules='', zone={('mxonly.test', 'MX'): '10 mx.other.test'}) as server:
        for helo, resolves in (('mxonly.test', True), ('nothing.test', False)):
            equal(server.explain(deliver(server, helo=helo).id)['facts']['helo.resolves'], resolves, helo)


def test_a_size_that_was_not_declared_is_absent():
    with Server(rules='') as server:
        with Smtp(server) as client:
            client.hello()
            equal('mail.size' in server.explain(deliver(server).id)['facts'], False, 'without SIZE')
            client.expect('MAIL FROM:<a@sender.test> SIZE=700', 250)
            client.expect('RCPT TO:<alice@example.test>', 250)
            client.expect('DATA', 354)
            client.send(MESSAGE + b'.\r\n')
            equal(server.explain(client.reply().id)['facts']['mail.size'], 700, 'with SIZE')
