#include "filters/scan/frames.hpp"

#include "filters/scan/frames.pb.h"
#include "filters/scan/spf_macro.hpp"

#include <algorithm>
#include <array>
#include <climits>
#include <map>
#include <set>

namespace wicket {
namespace {

// Names of hosts, addresses of mail: what SMTP lets through is shorter.
constexpr std::size_t short_text_limit_octets = 2048;
constexpr std::size_t check_limit = 16;
constexpr std::size_t answer_limit = 128;

constexpr auto asked_types =
    std::to_array<DnsType>({DnsType::a, DnsType::aaaa, DnsType::mx, DnsType::ptr, DnsType::txt});

void put_question(const DnsQuestion& question, scan::Question& out) {
    out.set_name(question.name);
    out.set_type(static_cast<std::uint32_t>(question.type));
}

std::optional<DnsQuestion> take_question(const scan::Question& in) {
    if (in.type() > USHRT_MAX) return std::nullopt;
    DnsQuestion question{in.name(), static_cast<DnsType>(in.type())};
    if (!is_acceptable_question(question)) return std::nullopt;
    return question;
}

/// The answers in the order of the map, as far as they fit.
void put_answers(const DnsAnswers& answers, scan::Job& out) {
    std::size_t left = frame_answers_limit_octets;
    for (const auto& [question, answer] : answers) {
        if (static_cast<std::size_t>(out.answers_size()) == answer_limit) break;
        std::size_t size = 0;
        for (const std::string& record : answer.records)
            size += record.size() + 4;
        const bool fits = size <= frame_answer_limit_octets && size <= left;
        scan::Answer& row = *out.add_answers();
        put_question(question, *row.mutable_question());
        row.set_status(static_cast<std::uint32_t>(fits ? answer.status : DnsStatus::try_again));
        if (!fits) continue;
        left -= size;
        for (const std::string& record : answer.records)
            row.add_records(record);
    }
}

bool take_answers(const scan::Job& in, DnsAnswers& answers) {
    if (static_cast<std::size_t>(in.answers_size()) > answer_limit) return false;
    for (const scan::Answer& row : in.answers()) {
        auto question = take_question(row.question());
        if (!question || row.status() > static_cast<std::uint32_t>(DnsStatus::try_again)) return false;
        DnsAnswer answer;
        answer.status = static_cast<DnsStatus>(row.status());
        answer.records.assign(row.records().begin(), row.records().end());
        answers[std::move(*question)] = std::move(answer);
    }
    return true;
}

void put_list(const std::vector<std::string>& items, const std::string& missing, scan::List& out) {
    for (const std::string& item : items) {
        if (static_cast<std::size_t>(out.items_size()) == frame_list_limit) break;
        out.add_items(item.substr(0, frame_text_limit_octets));
    }
    out.set_missing(missing.substr(0, frame_text_limit_octets));
}

void put_rows(const ResultList& list, scan::List& out) {
    for (const ResultRow& row : list.rows) {
        if (static_cast<std::size_t>(out.rows_size()) == frame_list_limit) break;
        scan::ResultRow& out_row = *out.add_rows();
        for (const auto& [field, value] : row) {
            out_row.add_fields(field);
            out_row.add_values(value.substr(0, frame_text_limit_octets));
        }
    }
    out.set_missing(list.missing.substr(0, frame_text_limit_octets));
}

void put_fact(FactId id, const FactValue& value, scan::Fact& out) {
    out.set_id(id);
    if (const auto* boolean = std::get_if<bool>(&value)) {
        out.set_boolean(*boolean);
    } else if (const auto* integer = std::get_if<std::int64_t>(&value)) {
        out.set_integer(*integer);
    } else if (const auto* text = std::get_if<std::string>(&value)) {
        out.set_text(text->substr(0, frame_text_limit_octets));
    } else if (const auto* texts = std::get_if<TextList>(&value)) {
        put_list(texts->items, texts->missing, *out.mutable_texts());
    } else if (const auto* results = std::get_if<ResultList>(&value)) {
        put_rows(*results, *out.mutable_results());
    } else {
        // No scan filter makes facts of other types.
        out.set_absent(true);
    }
}

void put_facts(const std::vector<std::pair<FactId, FactValue>>& facts, scan::CheckResult& out) {
    std::map<std::string_view, scan::UnknownFacts*> by_reason;
    for (const auto& [id, value] : facts) {
        const auto* const unknown = std::get_if<Unknown>(&value);
        if (unknown == nullptr) {
            put_fact(id, value, *out.add_facts());
            continue;
        }
        const std::string_view reason = std::string_view(unknown->reason).substr(0, frame_text_limit_octets);
        scan::UnknownFacts*& row = by_reason[reason];
        if (row == nullptr) {
            row = out.add_unknown();
            row->set_reason(reason.data(), reason.size());
        }
        row->add_ids(id);
    }
}

std::optional<Sha256> take_hash(const std::string& octets) {
    Sha256 hash{};
    if (octets.size() != hash.size()) return std::nullopt;
    std::ranges::transform(octets, hash.begin(), [](char c) { return static_cast<unsigned char>(c); });
    return hash;
}

std::string hash_octets(const Sha256& hash) {
    return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

bool is_short(const std::string& text) {
    return text.size() <= frame_text_limit_octets;
}

std::optional<FactValue> take_texts(const scan::List& in) {
    if (static_cast<std::size_t>(in.items_size()) > frame_list_limit || in.rows_size() != 0)
        return std::nullopt;
    if (!is_short(in.missing()) || !std::ranges::all_of(in.items(), is_short)) return std::nullopt;
    TextList list;
    list.items.assign(in.items().begin(), in.items().end());
    list.missing = in.missing();
    return list;
}

std::optional<FactValue> take_results(const scan::List& in, const FactDeclaration& declaration) {
    if (static_cast<std::size_t>(in.rows_size()) > frame_list_limit || in.items_size() != 0)
        return std::nullopt;
    if (!is_short(in.missing())) return std::nullopt;
    ResultList list;
    list.missing = in.missing();
    for (const scan::ResultRow& row : in.rows()) {
        if (row.fields_size() != row.values_size() || row.fields_size() > 16) return std::nullopt;
        ResultRow out;
        for (int index = 0; index < row.fields_size(); ++index) {
            const bool is_declared =
                std::ranges::find(declaration.words, row.fields(index)) != declaration.words.end();
            if (!is_declared || !is_short(row.values(index))) return std::nullopt;
            out.emplace_back(row.fields(index), row.values(index));
        }
        list.rows.push_back(std::move(out));
    }
    return list;
}

/// The value, if it is of the declared type.
std::optional<FactValue> take_value(const scan::Fact& in, const FactDeclaration& declaration) {
    switch (in.value_case()) {
        case scan::Fact::kAbsent: return Absent{};
        case scan::Fact::kBoolean:
            if (declaration.type != FactType::boolean) return std::nullopt;
            return in.boolean();
        case scan::Fact::kInteger:
            if (declaration.type != FactType::integer) return std::nullopt;
            return in.integer();
        case scan::Fact::kText:
            if (declaration.type == FactType::word) {
                if (std::ranges::find(declaration.words, in.text()) == declaration.words.end())
                    return std::nullopt;
                return in.text();
            }
            if (declaration.type != FactType::text || !is_short(in.text())) return std::nullopt;
            return in.text();
        case scan::Fact::kTexts:
            if (declaration.type != FactType::texts) return std::nullopt;
            return take_texts(in.texts());
        case scan::Fact::kResults:
            if (declaration.type != FactType::results) return std::nullopt;
            return take_results(in.results(), declaration);
        case scan::Fact::VALUE_NOT_SET: break;
    }
    return std::nullopt;
}

std::optional<CheckResult> take_result(const scan::CheckResult& in, const FactDictionary& dictionary) {
    CheckResult result;
    result.check = in.check();
    if (in.questions_size() > 0) {
        if (static_cast<std::size_t>(in.questions_size()) > frame_question_limit || in.facts_size() > 0 ||
            in.unknown_size() > 0)
            return std::nullopt;
        DnsQuestions questions;
        for (const scan::Question& one : in.questions()) {
            auto question = take_question(one);
            if (!question) return std::nullopt;
            questions.push_back(std::move(*question));
        }
        result.outcome = std::move(questions);
        return result;
    }
    std::vector<std::pair<FactId, FactValue>> facts;
    std::set<FactId> seen;
    /// Whether the check may make this fact, and has not done so yet.
    const auto is_acceptable = [&](std::uint32_t id) {
        return id < dictionary.rows().size() &&
               dictionary.row(static_cast<FactId>(id)).filter == result.check &&
               seen.insert(static_cast<FactId>(id)).second;
    };
    for (const scan::Fact& one : in.facts()) {
        if (!is_acceptable(one.id())) return std::nullopt;
        const auto id = static_cast<FactId>(one.id());
        auto value = take_value(one, dictionary.row(id));
        if (!value) return std::nullopt;
        facts.emplace_back(id, std::move(*value));
    }
    std::set<std::string_view> reasons;
    for (const scan::UnknownFacts& row : in.unknown()) {
        if (!is_short(row.reason()) || row.ids_size() == 0 || !reasons.insert(row.reason()).second)
            return std::nullopt;
        for (const std::uint32_t id : row.ids()) {
            if (!is_acceptable(id)) return std::nullopt;
            facts.emplace_back(static_cast<FactId>(id), Unknown{row.reason()});
        }
    }
    result.outcome = std::move(facts);
    return result;
}

}  // namespace

std::optional<std::string> encode_job(const JobFrame& job) {
    scan::Job out;
    for (const std::string& check : job.checks)
        out.add_checks(check);
    out.set_client_ip(std::string(job.input.client_ip.octets()));
    out.set_client_name(job.input.client_name);
    out.set_helo(job.input.helo);
    out.set_mail_from(job.input.mail_from);
    out.set_our_hostname(job.input.our_hostname);
    out.set_time_micros(job.input.time.time_since_epoch().count());
    put_answers(job.answers, out);
    if (job.patterns) out.set_patterns(hash_octets(*job.patterns));
    if (job.file_size) {
        out.set_file_size(*job.file_size);
    } else if (!job.input.message.empty()) {
        out.set_octets(job.input.message.data(), job.input.message.size());
    }
    std::string octets = out.SerializeAsString();
    if (octets.size() > job_frame_limit_octets) return std::nullopt;
    return octets;
}

std::optional<ReceivedJob> decode_job(std::string_view octets) {
    scan::Job in;
    if (octets.size() > job_frame_limit_octets ||
        !in.ParseFromArray(octets.data(), static_cast<int>(octets.size()))) {
        return std::nullopt;
    }
    ReceivedJob job;
    const auto client = IpAddress::from_octets(in.client_ip());
    if (!client || static_cast<std::size_t>(in.checks_size()) > check_limit || in.checks_size() == 0)
        return std::nullopt;
    for (const std::string* text : {&in.client_name(), &in.helo(), &in.mail_from(), &in.our_hostname()}) {
        if (text->size() > short_text_limit_octets) return std::nullopt;
    }
    if (in.octets().size() > message_inline_limit_octets || in.file_size() > frame_body_limit_octets)
        return std::nullopt;
    job.frame.checks.assign(in.checks().begin(), in.checks().end());
    job.frame.input.client_ip = *client;
    job.frame.input.client_name = std::move(*in.mutable_client_name());
    job.frame.input.helo = std::move(*in.mutable_helo());
    job.frame.input.mail_from = std::move(*in.mutable_mail_from());
    job.frame.input.our_hostname = std::move(*in.mutable_our_hostname());
    job.frame.input.time = WallTime(std::chrono::microseconds(in.time_micros()));
    if (!take_answers(in, job.frame.answers)) return std::nullopt;
    job.frame.patterns = take_hash(in.patterns());
    if (!in.patterns().empty() && !job.frame.patterns) return std::nullopt;
    if (in.body_case() == scan::Job::kFileSize) job.frame.file_size = in.file_size();
    if (in.body_case() == scan::Job::kOctets) job.octets = std::move(*in.mutable_octets());
    return job;
}

std::optional<std::string> encode_patterns(const PatternsFrame& frame) {
    scan::Patterns out;
    if (frame.drop) out.set_drop(hash_octets(*frame.drop));
    for (const Pattern& pattern : frame.patterns.patterns) {
        scan::Pattern& row = *out.add_patterns();
        row.set_fact(pattern.fact);
        row.set_part(static_cast<std::uint32_t>(pattern.part));
        row.set_field(pattern.field);
        for (const std::string& regex : pattern.regexes)
            row.add_regexes(regex);
    }
    std::string octets = out.SerializeAsString();
    if (octets.size() > job_frame_limit_octets) return std::nullopt;
    return octets;
}

std::optional<PatternsFrame> decode_patterns(std::string_view octets) {
    scan::Patterns in;
    if (octets.size() > job_frame_limit_octets ||
        !in.ParseFromArray(octets.data(), static_cast<int>(octets.size())))
        return std::nullopt;
    PatternsFrame frame;
    frame.drop = take_hash(in.drop());
    if (!in.drop().empty() && !frame.drop) return std::nullopt;
    if (static_cast<std::size_t>(in.patterns_size()) > pattern_count_limit) return std::nullopt;
    std::vector<Pattern> patterns;
    std::size_t regexes = 0;
    for (const scan::Pattern& row : in.patterns()) {
        regexes += static_cast<std::size_t>(row.regexes_size());
        if (row.fact() > USHRT_MAX || row.part() >= pattern_part_count || regexes > pattern_regex_count_limit)
            return std::nullopt;
        Pattern pattern{
            .fact = static_cast<FactId>(row.fact()),
            .part = static_cast<PatternPart>(row.part()),
            .field = row.field(),
            .regexes = {row.regexes().begin(), row.regexes().end()}
        };
        if (!pattern.field.empty() && pattern.part != PatternPart::headers) return std::nullopt;
        patterns.push_back(std::move(pattern));
    }
    frame.patterns = make_pattern_set(std::move(patterns));
    return frame;
}

std::string encode_result(const std::vector<CheckResult>& results) {
    scan::Result out;
    for (const CheckResult& result : results) {
        scan::CheckResult& row = *out.add_checks();
        row.set_check(result.check);
        if (const auto* questions = std::get_if<DnsQuestions>(&result.outcome)) {
            for (const DnsQuestion& question : *questions)
                put_question(question, *row.add_questions());
        } else {
            put_facts(std::get<0>(result.outcome), row);
        }
    }
    return out.SerializeAsString();
}

std::optional<std::vector<CheckResult>> decode_result(
    std::string_view octets, const std::vector<std::string>& asked, const FactDictionary& dictionary
) {
    scan::Result in;
    if (octets.size() > result_frame_limit_octets ||
        !in.ParseFromArray(octets.data(), static_cast<int>(octets.size()))) {
        return std::nullopt;
    }
    if (static_cast<std::size_t>(in.checks_size()) != asked.size()) return std::nullopt;
    std::vector<CheckResult> results;
    for (const scan::CheckResult& one : in.checks()) {
        auto result = take_result(one, dictionary);
        if (!result) return std::nullopt;
        // In the order asked, each once.
        if (result->check != asked[results.size()]) return std::nullopt;
        results.push_back(std::move(*result));
    }
    return results;
}

bool is_acceptable_question(const DnsQuestion& question) {
    if (std::ranges::find(asked_types, question.type) == asked_types.end()) return false;
    return spf_name_to_ask(question.name) == question.name;
}

}  // namespace wicket
