#include "filters/scan_pool_poison.hpp"

#include "base/file.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <system_error>

namespace wicket {
namespace {

std::size_t count_files(const std::string& folder) {
    std::error_code error;
    std::size_t count = 0;
    for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
        ++count;
    return count;
}

}  // namespace

std::string keep_poison_sample(
    const std::string& folder, const MessageBytes& message, const std::string& check
) {
    const Sha256& hash = message.sha256();
    const std::string name = to_hex({reinterpret_cast<const char*>(hash.data()), hash.size()});
    const std::string what =
        fmt::format("message {} has crashed the check {} in three fresh workers", name, check);
    if (folder.empty()) return what;
    const std::string path = folder + "/" + name + ".eml";
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (std::filesystem::exists(path, error)) return what + "; the sample is " + path;
    if (count_files(folder) >= poison_sample_count_limit) return what + "; no sample kept, there are enough";
    const auto octets =
        message.read(0, static_cast<std::size_t>(std::min(message.size(), poison_sample_limit_octets)));
    if (!octets || !replace_file(path, *octets)) return what + "; the sample could not be written to " + path;
    return what + "; the sample is " + path;
}

}  // namespace wicket
