#include "server/confine.hpp"

#include "base/landlock.hpp"
#include "base/log.hpp"
#include "policy/rules.hpp"

#include <array>
#include <cerrno>
#include <filesystem>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace wicket {
namespace {

Result<> drop_capabilities() {
    for (unsigned long capability = 0; capability <= CAP_LAST_CAP; ++capability) {
        if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EINVAL)
            return system_failure("cannot drop a capability", errno);
    }
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    const std::array<__user_cap_data_struct, 2> none{};
    if (::syscall(SYS_capset, &header, none.data()) != 0)
        return system_failure("cannot drop the capabilities", errno);
    return {};
}

/// The folder of a file as it is named, and that of the file itself, which links may put elsewhere: a renewed
/// certificate is another file in that folder.
void grant_folders_of(const std::string& file, std::vector<FileGrant>& grants) {
    namespace fs = std::filesystem;
    grants.push_back({fs::absolute(file).parent_path().string(), FileRight::read});
    std::error_code error;
    const fs::path itself = fs::canonical(file, error);
    if (!error) grants.push_back({itself.parent_path().string(), FileRight::read});
}

/// What a reload reads, but for the rule folders.
std::vector<std::string> files_to_read_again(const Config& config) {
    std::vector<std::string> files = {config.file};
    for (const TlsIdentity& identity : config.tls) {
        files.push_back(identity.certificate_file);
        files.push_back(identity.key_file);
    }
    for (const DomainConfig& domain : config.domains)
        if (!domain.aliases_file.empty()) files.push_back(domain.aliases_file);
    // Mistakes in the rules are told by whoever loads them to use them.
    Diagnostics ignored;
    const auto rules = load_rules(config.rules, ignored);
    if (rules) files.insert(files.end(), rules->list_files().begin(), rules->list_files().end());
    for (const std::string& folder : config.rules) {
        std::error_code error;
        for (const auto& entry : std::filesystem::directory_iterator(folder, error))
            if (entry.is_symlink(error)) files.push_back(entry.path().string());
    }
    return files;
}

}  // namespace

Result<> drop_root(const Config& config, const Identity& identity) {
    if (::geteuid() != 0) return {};
    if (identity.user != 0) return become(identity);
    log_warning(
        "running as root, because the state folder is root's and [process] user is not set; all "
        "capabilities are dropped",
        {
            {"state", config.state}
    }
    );
    return drop_capabilities();
}

Result<> confine_files(const Config& config, const std::string& own_executable) {
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return system_failure("cannot forbid core dumps", errno);
    constexpr rlimit no_core{0, 0};
    if (::setrlimit(RLIMIT_CORE, &no_core) != 0)
        return system_failure("cannot set the limit of core files", errno);
    namespace fs = std::filesystem;
    std::vector<FileGrant> grants = {
        {config.state,           FileRight::read_and_write  },
        {own_executable,         FileRight::read_and_execute},
        // The dynamic linker of the scan workers, and what OpenSSL and the resolver read.
        {"/lib",                 FileRight::read_and_execute},
        {"/lib64",               FileRight::read_and_execute},
        {"/usr/lib",             FileRight::read_and_execute},
        {"/etc/ld.so.cache",     FileRight::read            },
        {"/etc/ssl/openssl.cnf", FileRight::read            },
        {"/etc/localtime",       FileRight::read            },
        {"/usr/share/zoneinfo",  FileRight::read            },
        {"/usr/share/dns",       FileRight::read            },
        {"/etc/hosts",           FileRight::read            },
        {"/etc/resolv.conf",     FileRight::read            },
        {"/dev/null",            FileRight::read_and_write  },
        {"/dev/urandom",         FileRight::read            },
        {"/proc",                FileRight::read            },
        {"/sys/devices/system",  FileRight::read            },
    };
    for (const std::string& file : files_to_read_again(config))
        grant_folders_of(file, grants);
    for (const std::string& folder : config.rules) {
        grants.push_back({folder, FileRight::read});
        std::error_code error;
        if (fs::is_symlink(folder, error)) grant_folders_of(folder, grants);
    }
    if (!config.dns_trust_anchor.empty()) grants.push_back({config.dns_trust_anchor, FileRight::read});
    auto done = restrict_files_to(grants);
    if (!done && done.error().code == ErrorCode::unavailable && config.sandbox == "reduced") {
        log_warning("the front sees all files: " + done.error().message);
        return {};
    }
    return done;
}

}  // namespace wicket
