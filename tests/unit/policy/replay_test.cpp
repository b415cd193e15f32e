#include "policy/replay.hpp"

#include "policy/record.hpp"
#include "policy/whatif.hpp"
#include "tests/unit/policy/compiled_text.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace wicket {
namespace {

constexpr std::string_view zen_list =
    "[dnsbl.zen]\nzone = \"zen.example\"\nlisted = { a = \"127.0.0.2\", b = \"127.0.0.3\" }\n";
constexpr std::string_view three_rules =
    "[[rule]]\nid = \"zen\"\npoints = { 'dnsbl.zen has a' = 6 }\n"
    "[[rule]]\nid = \"spf\"\npoints = { 'spf.result == fail' = 3 }\n"
    "[[rule]]\nid = \"big\"\nwhen = 'message.size > 1000'\npoints = 4\n";

/// Makes records of what rules decide, as the server would.
class Recorder {
public:
    explicit Recorder(std::shared_ptr<const RuleSet> rules) : rules_(std::move(rules)) {
        record_.id = RecordId::make(WallTime{std::chrono::seconds{1'800'000'000}}, 1, 2);
        record_.time = record_.id.time();
        record_.has_from = true;
        record_.rules_hash = rules_->hash();
        with("time.now", record_.time).with("client.ip", *IpAddress::parse("203.0.113.9"));
        with("mail.from", std::string("a@example.org")).with("spf.result", std::string("pass"));
        with("dnsbl.zen", TextList{});
    }
    Recorder& with(std::string_view name, FactValue value) {
        const auto id = rules_->dictionary().find(name);
        if (id) record_.facts.set(*id, std::move(value));
        return *this;
    }
    Recorder& message(std::int64_t size) { return with("message.size", size); }
    Recorder& shadow() {
        record_.policy_shadow = true;
        return *this;
    }
    /// Decided at `stage` with the record's facts.
    Recorder& to(const std::string& address, Stage stage) {
        auto own = std::make_shared<Facts>();
        own->set(id_of(CoreFact::rcpt_address), address);
        own->set(id_of(CoreFact::rcpt_domain), address.substr(address.find('@') + 1));
        RecordRecipient made{address, {}, "", own};
        made.verdict = decide(*rules_, facts_of(record_, made), stage);
        record_.verdict = made.verdict;
        if (made.verdict.action == Action::none) record_.verdict.stage = stage;
        record_.recipients.push_back(std::move(made));
        return *this;
    }
    Recorder& refused(std::string_view which, Stage stage) {
        const Verdict verdict = builtin_verdict(which, stage, {550, "5.1.1", "no"});
        record_.verdict = verdict;
        record_.recipients.push_back({"nobody@example.test", verdict, "", nullptr});
        return *this;
    }
    DecisionRecord& record() { return record_; }
    std::string octets() const { return encode_record(record_, rules_->dictionary()).decision; }
    StoredRecord stored() const {
        return decode_record(encode_record(record_, rules_->dictionary())).value();
    }
    const RuleSet& rules() const { return *rules_; }

private:
    std::shared_ptr<const RuleSet> rules_;
    DecisionRecord record_;
};

Replay replay_of(const Recorder& recorder, const RuleSet& rules) {
    RecordedDecision decision;
    const auto read = DecisionReader(rules.dictionary()).read(recorder.octets(), decision);
    EXPECT_TRUE(read) << read.error().message;
    const MissingFacts missing = rules.hash() == recorder.rules().hash()
                                     ? MissingFacts{}
                                     : missing_facts(rules, recorder.rules().dictionary().names());
    return replay(rules, decision, missing);
}

std::string told(const Replay& replayed) {
    std::string text;
    for (const ReplayedRecipient& one : replayed.recipients) {
        if (!text.empty()) text += ", ";
        text += one.undecidable.empty()
                    ? std::string(to_string(one.verdict.action)) + " by " + one.verdict.rule
                    : one.undecidable;
    }
    return text;
}

const std::string base_rules = std::string(zen_list) + std::string(three_rules);

TEST(Replay, UnderTheSameRulesNothingDiffers) {
    const auto rules = compiled_text(
        base_rules +
        "[[rule]]\nid = \"worst\"\nwhen = 'dnsbl.zen has b'\nthen = \"reject\"\nwhy = \"{client.ip} is "
        "listed\"\n"
        "[[rule]]\nid = \"helo\"\nwhen = 'helo.is_ours'\nthen = \"reject\"\nanswer = \"now\"\n"
    );
    std::vector<Recorder> all;
    all.push_back(Recorder(rules).message(10).to("a@example.test", Stage::end));
    all.push_back(
        Recorder(rules).with("dnsbl.zen", TextList{{"a"}, ""}).message(10).to("a@x.test", Stage::end)
    );
    all.push_back(Recorder(rules).with("dnsbl.zen", TextList{{"b"}, ""}).to("a@x.test", Stage::rcpt));
    all.push_back(Recorder(rules)
                      .with("dnsbl.zen", TextList{{"a"}, ""})
                      .message(2000)
                      .shadow()
                      .to("a@x.test", Stage::end));
    all.push_back(Recorder(rules).refused("unknown-user", Stage::rcpt));
    all.push_back(Recorder(rules).to("a@example.test", Stage::rcpt));  // left before DATA
    for (Recorder& recorder : all) {
        const Replay replayed = replay_of(recorder, *rules);
        EXPECT_EQ(difference(recorder.stored(), replayed), "") << told(replayed);
    }
    // A changed fact is seen.
    Recorder changed = Recorder(rules).message(10).to("a@example.test", Stage::end);
    changed.with("dnsbl.zen", TextList{{"a"}, ""});
    EXPECT_NE(difference(changed.stored(), replay_of(changed, *rules)), "");
}

TEST(Replay, TellsWhatOtherRulesWouldHaveDone) {
    const auto rules = compiled_text(base_rules);
    Recorder listed =
        Recorder(rules).with("dnsbl.zen", TextList{{"a"}, ""}).message(10).to("a@x.test", Stage::end);
    EXPECT_EQ(
        told(replay_of(listed, *compiled_text("[thresholds]\njunk = 7\nreject = 12\n" + base_rules))),
        "accept by default"
    );
    EXPECT_EQ(
        told(replay_of(listed, *compiled_text("[thresholds]\njunk = 5\nreject = 6\n" + base_rules))),
        "reject by threshold:reject"
    );
    const auto exception = compiled_text(
        base_rules + "[[rule]]\nid = \"friend\"\nwhen = 'mail.from == \"a@example.org\"'\nthen = \"accept\"\n"
    );
    EXPECT_EQ(told(replay_of(listed, *exception)), "accept by friend");
    // What no rule can change stays.
    Recorder relay = Recorder(rules).refused("relay", Stage::rcpt);
    EXPECT_EQ(told(replay_of(relay, *exception)), "reject by builtin:relay");
}

TEST(Replay, SaysWhatItCannotKnow) {
    const std::string refusing = "[[rule]]\nid = \"worst\"\nwhen = 'dnsbl.zen has b'\nthen = \"reject\"\n";
    const auto rules = compiled_text(base_rules + refusing);
    Recorder refused = Recorder(rules).with("dnsbl.zen", TextList{{"b"}, ""}).to("a@x.test", Stage::rcpt);
    // The message was never seen.
    EXPECT_EQ(told(replay_of(refused, *compiled_text(base_rules))), "fact message.size was not recorded");
    // A list that nobody had asked then.
    const std::string other = "[dnsbl.other]\nzone = \"other.example\"\nlisted = { x = \"127.0.0.2\" }\n";
    Recorder plain = Recorder(rules).message(10).to("a@x.test", Stage::end);
    const std::string small = "[[rule]]\nid = \"o\"\npoints = { 'dnsbl.other has x' = 1 }\n";
    EXPECT_EQ(told(replay_of(plain, *compiled_text(base_rules + other + small))), "accept by default");
    const std::string large = "[[rule]]\nid = \"o\"\npoints = { 'dnsbl.other has x' = 5 }\n";
    EXPECT_EQ(
        told(replay_of(plain, *compiled_text(base_rules + other + large))),
        "fact dnsbl.other was not recorded"
    );
    const std::string then = "[[rule]]\nid = \"o\"\nwhen = 'dnsbl.other has x'\nthen = \"reject\"\n";
    EXPECT_EQ(
        told(replay_of(plain, *compiled_text(base_rules + other + then))), "fact dnsbl.other was not recorded"
    );
}

TEST(Replay, OneWhoMustComeAgainDefersAll) {
    const std::string greylist =
        "[[rule]]\nid = \"grey\"\nwhen = 'rcpt.address == \"a@x.test\" and message.size > 0'\nthen = "
        "\"greylist\"\n";
    const auto rules = compiled_text(base_rules);
    Recorder two = Recorder(rules).message(10).to("a@x.test", Stage::end).to("b@x.test", Stage::end);
    EXPECT_EQ(told(replay_of(two, *rules)), "accept by default, accept by default");
    EXPECT_EQ(
        told(replay_of(two, *compiled_text(base_rules + greylist))), "greylist by grey, greylist by grey"
    );
    EXPECT_EQ(replay_of(two, *compiled_text(base_rules + greylist)).verdict.rule, "grey");
}

TEST(Replay, AListenerThatAnswersLateAnswersAtTheEndOnly) {
    const auto rules = compiled_text(
        base_rules +
        "[[rule]]\nid = \"at-data\"\nat = \"data\"\nwhen = 'dnsbl.zen has b'\nthen = \"reject\"\n"
    );
    Recorder late =
        Recorder(rules).with("dnsbl.zen", TextList{{"b"}, ""}).message(10).to("a@x.test", Stage::end);
    late.record().is_late = true;
    EXPECT_EQ(difference(late.stored(), replay_of(late, *rules)), "");
    late.record().is_late = false;
    EXPECT_EQ(difference(late.stored(), replay_of(late, *rules)), "<a@x.test>: stage end is data now");
}

TEST(Replay, CountsWhatWasCountedThen) {
    const std::string many = "[[rule]]\nid = \"many\"\nwhen = 'rcpt.count > 1'\nthen = \"reject\"\n";
    const auto rules = compiled_text(base_rules + many);
    Recorder recorder = Recorder(rules).with("rcpt.count", std::int64_t{2}).to("a@x.test", Stage::rcpt);
    EXPECT_EQ(told(replay_of(recorder, *rules)), "reject by many");
    auto then = std::make_shared<Facts>();
    then->set(id_of(CoreFact::rcpt_count), std::int64_t{1});
    recorder.record().recipients[0].facts_at_rcpt = then;
    recorder.record().recipients[0].verdict = {};
    EXPECT_EQ(told(replay_of(recorder, *rules)), "none by ");
}

TEST(WhatIf, AddsUpWhatChanged) {
    const auto rules = compiled_text(base_rules);
    const auto stricter = compiled_text("[thresholds]\njunk = 3\nreject = 12\n" + base_rules);
    WhatIf whatif(*stricter, [&](const std::string& hash) -> std::optional<RuleSetRecord> {
        EXPECT_EQ(hash, rules->hash());
        return record_of(*rules);
    });
    std::vector<ChangedDecision> changed;
    const auto judge = [&](const Recorder& recorder) {
        ASSERT_TRUE(whatif.judge(recorder.octets(), changed));
    };
    judge(Recorder(rules).message(10).to("a@x.test", Stage::end));
    judge(Recorder(rules).with("spf.result", std::string("fail")).message(10).to("b@x.test", Stage::end));
    judge(Recorder(rules).refused("relay", Stage::rcpt));
    EXPECT_FALSE(whatif.judge("garbage", changed));
    EXPECT_FALSE(whatif.judge("\x08\x09", changed));
    const WhatIfTally& tally = whatif.tally();
    EXPECT_EQ(tally.total, 3U);
    EXPECT_EQ(tally.changed, 1U);
    EXPECT_EQ(tally.lost_ham, 1U);
    EXPECT_EQ(tally.undecidable, 0U);
    const auto at = [](Action action) { return static_cast<std::size_t>(action); };
    EXPECT_EQ(tally.matrix[at(Action::accept)][at(Action::junk)], 1U);
    EXPECT_EQ(tally.matrix[at(Action::accept)][at(Action::accept)], 1U);
    EXPECT_EQ(tally.matrix[at(Action::reject)][at(Action::reject)], 1U);
    ASSERT_EQ(changed.size(), 1U);
    EXPECT_EQ(changed[0].recipient, "b@x.test");
    EXPECT_EQ(changed[0].rule, "threshold:junk");
}

constexpr std::string_view pill_rules =
    "[[pattern]]\nid = \"pills\"\nin = \"body\"\nmatch = 'pills'\n"
    "[[rule]]\nid = \"pills\"\nwhen = 'pattern.pills'\nthen = \"reject\"\n";

/// What `whatif` says of one record under `rules`, and how often it asked for facts again.
std::string told_again(
    const Recorder& recorder, const std::shared_ptr<const RuleSet>& rules, const Reexamine& reexamine
) {
    WhatIf whatif(*rules, [&](const std::string&) { return record_of(recorder.rules()); }, reexamine);
    std::vector<ChangedDecision> changed;
    EXPECT_TRUE(whatif.judge(recorder.octets(), changed));
    if (changed.empty()) return "as it was";
    return changed[0].undecidable.empty()
               ? std::string(to_string(changed[0].after)) + " by " + changed[0].rule
               : changed[0].undecidable;
}

TEST(WhatIf, AsksAgainForWhatARecordLacks) {
    const auto rules = compiled_text(base_rules);
    const auto with_pills = compiled_text(base_rules + std::string(pill_rules));
    const FactId pills = with_pills->dictionary().find("pattern.pills").value();
    Recorder recorder = Recorder(rules).message(10).to("a@x.test", Stage::end);
    EXPECT_EQ(told_again(recorder, with_pills, {}), "fact pattern.pills was not recorded");
    const auto found = [&](FactValue value) {
        return [pills, value](const RecordedDecision&, const MissingFacts& missing) {
            EXPECT_EQ(missing, MissingFacts{pills});
            return Reexamined{{{pills, value}}, {}};
        };
    };
    EXPECT_EQ(told_again(recorder, with_pills, found(true)), "reject by pills");
    EXPECT_EQ(told_again(recorder, with_pills, found(Absent{})), "as it was");
    const auto lost = [&](const RecordedDecision&, const MissingFacts&) {
        return Reexamined{{}, {{pills, "the message is not kept"}}};
    };
    EXPECT_EQ(
        told_again(recorder, with_pills, lost), "fact pattern.pills was not recorded; the message is not kept"
    );
    // What can be decided without it is.
    const auto never = [](const RecordedDecision&, const MissingFacts&) -> Reexamined {
        ADD_FAILURE() << "asked for nothing";
        return {};
    };
    EXPECT_EQ(told_again(recorder, rules, never), "as it was");
    EXPECT_EQ(told_again(Recorder(rules).refused("relay", Stage::rcpt), with_pills, never), "as it was");
}

TEST(WhatIf, WhatHadTheSameNameAndAnotherMeaningWasNotRecorded) {
    const std::string pills(pill_rules);
    const auto rules = compiled_text(base_rules + pills);
    const std::string other_words = base_rules +
                                    "[[pattern]]\nid = \"pills\"\nin = \"body\"\nmatch = 'tablets'\n" +
                                    pills.substr(pills.find("[[rule]]"));
    const auto reworded = compiled_text(other_words);
    Recorder recorder = Recorder(rules).with("pattern.pills", true).message(10).to("a@x.test", Stage::end);
    EXPECT_EQ(told_again(recorder, reworded, {}), "fact pattern.pills was not recorded");
    // A list that knows more codes than then, and one of another zone.
    std::string text = base_rules + pills;
    text.replace(text.find("b = \"127.0.0.3\""), 15, "b = \"127.0.0.9\"");
    const FactId list = rules->dictionary().find("dnsbl.zen").value();
    EXPECT_EQ(facts_of_other_meaning(*compiled_text(text), *rules), std::vector<FactId>{list});
    text = base_rules + pills;
    text.replace(text.find("zen.example"), 11, "zen.another");
    EXPECT_EQ(facts_of_other_meaning(*compiled_text(text), *rules), std::vector<FactId>{list});
    EXPECT_EQ(facts_of_other_meaning(*rules, *rules), std::vector<FactId>{});
}

TEST(WhatIf, RulesBesideAListTooLongToBeKeptAreKnownAllTheSame) {
    std::string names;
    for (int number = 0; names.size() <= 300'000; ++number)
        names += "host" + std::to_string(number) + ".example\n";
    const auto with_list = [&](const std::string& text) {
        Diagnostics diagnostics;
        const std::string list = "[[list]]\nname = \"names\"\nkind = \"domain\"\nfile = \"names.list\"\n";
        auto rules = compile_rules(
            {
                {"rules.toml", text + list},
                {"names.list", names      }
        },
            diagnostics
        );
        for (const Diagnostic& one : diagnostics.sorted())
            ADD_FAILURE() << render(one);
        return rules;
    };
    const std::string pills = base_rules + std::string(pill_rules);
    const auto rules = with_list(pills);
    std::string other_words = pills;
    other_words.replace(other_words.find("match = 'pills'"), 15, "match = 'tablets'");
    Recorder recorder = Recorder(rules).with("pattern.pills", true).message(10).to("a@x.test", Stage::end);
    EXPECT_EQ(told_again(recorder, with_list(other_words), {}), "fact pattern.pills was not recorded");
    EXPECT_EQ(told_again(recorder, with_list(pills + "# the same\n"), {}), "as it was");
    EXPECT_LT(encode(record_of(*rules)).size(), 10'000U);
    // What cannot be read any more may have meant anything.
    const auto other = with_list(pills + "# the same\n");
    WhatIf whatif(*other, [&](const std::string&) {
        return RuleSetRecord{{{"rules.toml", "["}}, rules->dictionary().names()};
    });
    std::vector<ChangedDecision> changed;
    ASSERT_TRUE(whatif.judge(recorder.octets(), changed));
    ASSERT_EQ(changed.size(), 1U);
    EXPECT_EQ(changed[0].undecidable, "fact pattern.pills was not recorded");
}

}  // namespace
}  // namespace wicket
