#include "server/confine.hpp"

#include "base/landlock.hpp"
#include "base/log.hpp"

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
        {config.state,                                     FileRight::read_and_write  },
        {fs::absolute(config.file).parent_path().string(), FileRight::read            },
        {own_executable,                                   FileRight::read_and_execute},
        // The dynamic linker of the scan workers, and what OpenSSL and the resolver read.
        {"/lib",                                           FileRight::read_and_execute},
        {"/lib64",                                         FileRight::read_and_execute},
        {"/usr/lib",                                       FileRight::read_and_execute},
        {"/etc/ld.so.cache",                               FileRight::read            },
        {"/etc/ssl/openssl.cnf",                           FileRight::read            },
        {"/etc/localtime",                                 FileRight::read            },
        {"/usr/share/zoneinfo",                            FileRight::read            },
        {"/usr/share/dns",                                 FileRight::read            },
        {"/etc/hosts",                                     FileRight::read            },
        {"/etc/resolv.conf",                               FileRight::read            },
        {"/dev/null",                                      FileRight::read_and_write  },
        {"/dev/urandom",                                   FileRight::read            },
        {"/proc",                                          FileRight::read            },
        {"/sys/devices/system",                            FileRight::read            },
    };
    for (const std::string& folder : config.rules)
        grants.push_back({folder, FileRight::read});
    for (const TlsIdentity& identity : config.tls) {
        grants.push_back({fs::path(identity.certificate_file).parent_path().string(), FileRight::read});
        grants.push_back({fs::path(identity.key_file).parent_path().string(), FileRight::read});
    }
    for (const DomainConfig& domain : config.domains)
        if (!domain.aliases_file.empty())
            grants.push_back({fs::path(domain.aliases_file).parent_path().string(), FileRight::read});
    if (!config.dns_trust_anchor.empty()) grants.push_back({config.dns_trust_anchor, FileRight::read});
    auto done = restrict_files_to(grants);
    if (!done && done.error().code == ErrorCode::unavailable && config.sandbox == "reduced") {
        log_warning("the front sees all files: " + done.error().message);
        return {};
    }
    return done;
}

}  // namespace wicket
