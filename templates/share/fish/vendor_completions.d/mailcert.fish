# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_mailcert_global_optspecs
    string join \n c/config= format= json v/verbose q/quiet color= h/help V/version
end

function __fish_mailcert_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_mailcert_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_mailcert_using_subcommand
    set -l cmd (__fish_mailcert_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c mailcert -n "__fish_mailcert_needs_command" -s c -l config -d 'The configuration file [default: /etc/mailcert/mailcert.toml]' -r -F
complete -c mailcert -n "__fish_mailcert_needs_command" -l format -d 'How the answer is written' -r -f -a "human\t'For people'
json\t'One JSON object'
jsonl\t'JSON lines: verify writes one for each endpoint as it is done, and a last one that sums up'
prometheus\t'verify, run, fix, rollback, status: text for the Prometheus textfile collector'
nagios\t'verify: one line and the exit codes of Nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN'
html\t'status: a page to look at, in one file'"
complete -c mailcert -n "__fish_mailcert_needs_command" -l color -d 'Whether the answer is coloured' -r -f -a "auto\t'On a terminal that can, unless NO_COLOR is set'
always\t'Even into a file or pipe'
never\t'Not at all'"
complete -c mailcert -n "__fish_mailcert_needs_command" -l json -d 'Short for --format json'
complete -c mailcert -n "__fish_mailcert_needs_command" -s v -l verbose -d 'Say more, in the answer and on stderr; twice for everything'
complete -c mailcert -n "__fish_mailcert_needs_command" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c mailcert -n "__fish_mailcert_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mailcert -n "__fish_mailcert_needs_command" -s V -l version -d 'Print version'
complete -c mailcert -n "__fish_mailcert_needs_command" -f -a "verify" -d 'Ask each mail server what Gmail would ask: accepted, refused or unknown'
complete -c mailcert -n "__fish_mailcert_needs_command" -f -a "discover" -d 'Show the mail host names of the domains and why each is one'
complete -c mailcert -n "__fish_mailcert_needs_command" -f -a "plan" -d 'Show what is to be done and why; change nothing'
complete -c mailcert -n "__fish_mailcert_needs_command" -f -a "run" -d 'Do what is to be done: the timer\'s job'
complete -c mailcert -n "__fish_mailcert_needs_command" -f -a "fix" -d 'Repair whatever is wrong, now: verify, run, verify again'
complete -c mailcert -n "__fish_mailcert_needs_command" -f -a "setup" -d 'Show, and with consent apply, the lines that make the servers use our files'
complete -c mailcert -n "__fish_mailcert_needs_command" -f -a "watch" -d 'Stay resident: do what `run` does whenever there is a reason to look'
complete -c mailcert -n "__fish_mailcert_needs_command" -f -a "status" -d 'Show every certificate held, from memory'
complete -c mailcert -n "__fish_mailcert_needs_command" -f -a "history" -d 'Say what was done, when and why'
complete -c mailcert -n "__fish_mailcert_needs_command" -f -a "check" -d 'Say whether configuration, programs and servers are as they should be'
complete -c mailcert -n "__fish_mailcert_needs_command" -f -a "init" -d 'Look at this machine and write a first configuration file'
complete -c mailcert -n "__fish_mailcert_needs_command" -f -a "rollback" -d 'Show the previous version of a certificate again'
complete -c mailcert -n "__fish_mailcert_needs_command" -f -a "hold" -d 'Leave a certificate as it is until it is released'
complete -c mailcert -n "__fish_mailcert_needs_command" -f -a "release" -d 'End what `hold` began'
complete -c mailcert -n "__fish_mailcert_needs_command" -f -a "revoke" -d 'Revoke a certificate at the CA, once another one is shown in its place'
complete -c mailcert -n "__fish_mailcert_needs_command" -f -a "account" -d 'Look at the account at the CA, change its key or contacts, give it up'
complete -c mailcert -n "__fish_mailcert_needs_command" -f -a "explain" -d 'Say what a problem code means and how to cure it'
complete -c mailcert -n "__fish_mailcert_needs_command" -f -a "completions" -d 'Print shell completions'
complete -c mailcert -n "__fish_mailcert_needs_command" -f -a "man" -d 'Write the man pages'
complete -c mailcert -n "__fish_mailcert_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mailcert -n "__fish_mailcert_using_subcommand verify" -l targets -d 'Read targets from a file, one `TARGET [ADDR]...` a line; - is stdin' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand verify" -l connect -d 'Connect to this address instead of those in the DNS' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand verify" -l dns -d 'Ask this resolver instead of those of the configuration or resolv.conf; may be repeated' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand verify" -l profile -d 'Whose rules decide [default: gmail]' -r -f -a "gmail\t'Gmail\'s "Send mail as"'
workspace\t'Google Workspace\'s secure transport compliance'
strict\t'Everything a strict sender could refuse'"
complete -c mailcert -n "__fish_mailcert_using_subcommand verify" -l roots -d 'The roots that decide: mozilla, system or a PEM file' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand verify" -l timeout -d 'Seconds for one endpoint with all its dialogues' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand verify" -l concurrency -d 'Endpoints looked at side by side; at most 4 at one address' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand verify" -l tries -d 'Handshakes with the server\'s name; one more is made without' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand verify" -l pem -d 'Judge the certificates of a file instead of a server; needs --host' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand verify" -l key -d 'The private key that belongs to --pem; in one file with it by default, if it is there' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand verify" -l host -d 'The host that clients of --pem connect to' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand verify" -l at -d 'Judge --pem at this time (RFC 3339, such as TIME) instead of now' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand verify" -s c -l config -d 'The configuration file [default: /etc/mailcert/mailcert.toml]' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand verify" -l format -d 'How the answer is written' -r -f -a "human\t'For people'
json\t'One JSON object'
jsonl\t'JSON lines: verify writes one for each endpoint as it is done, and a last one that sums up'
prometheus\t'verify, run, fix, rollback, status: text for the Prometheus textfile collector'
nagios\t'verify: one line and the exit codes of Nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN'
html\t'status: a page to look at, in one file'"
complete -c mailcert -n "__fish_mailcert_using_subcommand verify" -l color -d 'Whether the answer is coloured' -r -f -a "auto\t'On a terminal that can, unless NO_COLOR is set'
always\t'Even into a file or pipe'
never\t'Not at all'"
complete -c mailcert -n "__fish_mailcert_using_subcommand verify" -l strict -d 'Warnings refuse, too'
complete -c mailcert -n "__fish_mailcert_using_subcommand verify" -l local-trust -d 'Compare with what this machine\'s own programs trust and speak'
complete -c mailcert -n "__fish_mailcert_using_subcommand verify" -l quick -d 'No looks that some servers count as an attack: for old versions and ciphers, and for commands obeyed across STARTTLS'
complete -c mailcert -n "__fish_mailcert_using_subcommand verify" -l aia -d 'Fetch the issuer\'s certificate from the URL in the certificate when it is not sent'
complete -c mailcert -n "__fish_mailcert_using_subcommand verify" -l crl -d 'Fetch the issuer\'s list of revoked certificates'
complete -c mailcert -n "__fish_mailcert_using_subcommand verify" -l json -d 'Short for --format json'
complete -c mailcert -n "__fish_mailcert_using_subcommand verify" -s v -l verbose -d 'Say more, in the answer and on stderr; twice for everything'
complete -c mailcert -n "__fish_mailcert_using_subcommand verify" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c mailcert -n "__fish_mailcert_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mailcert -n "__fish_mailcert_using_subcommand discover" -l dns -d 'Ask this resolver instead of those of the configuration or resolv.conf; may be repeated' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand discover" -s c -l config -d 'The configuration file [default: /etc/mailcert/mailcert.toml]' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand discover" -l format -d 'How the answer is written' -r -f -a "human\t'For people'
json\t'One JSON object'
jsonl\t'JSON lines: verify writes one for each endpoint as it is done, and a last one that sums up'
prometheus\t'verify, run, fix, rollback, status: text for the Prometheus textfile collector'
nagios\t'verify: one line and the exit codes of Nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN'
html\t'status: a page to look at, in one file'"
complete -c mailcert -n "__fish_mailcert_using_subcommand discover" -l color -d 'Whether the answer is coloured' -r -f -a "auto\t'On a terminal that can, unless NO_COLOR is set'
always\t'Even into a file or pipe'
never\t'Not at all'"
complete -c mailcert -n "__fish_mailcert_using_subcommand discover" -l json -d 'Short for --format json'
complete -c mailcert -n "__fish_mailcert_using_subcommand discover" -s v -l verbose -d 'Say more, in the answer and on stderr; twice for everything'
complete -c mailcert -n "__fish_mailcert_using_subcommand discover" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c mailcert -n "__fish_mailcert_using_subcommand discover" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mailcert -n "__fish_mailcert_using_subcommand plan" -s c -l config -d 'The configuration file [default: /etc/mailcert/mailcert.toml]' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand plan" -l format -d 'How the answer is written' -r -f -a "human\t'For people'
json\t'One JSON object'
jsonl\t'JSON lines: verify writes one for each endpoint as it is done, and a last one that sums up'
prometheus\t'verify, run, fix, rollback, status: text for the Prometheus textfile collector'
nagios\t'verify: one line and the exit codes of Nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN'
html\t'status: a page to look at, in one file'"
complete -c mailcert -n "__fish_mailcert_using_subcommand plan" -l color -d 'Whether the answer is coloured' -r -f -a "auto\t'On a terminal that can, unless NO_COLOR is set'
always\t'Even into a file or pipe'
never\t'Not at all'"
complete -c mailcert -n "__fish_mailcert_using_subcommand plan" -l fresh -d 'Ask the DNS and the servers anew, however fresh their last answers are'
complete -c mailcert -n "__fish_mailcert_using_subcommand plan" -l drop-rsa -d 'Show RSA certificates no longer, where `key-types` does not ask for them'
complete -c mailcert -n "__fish_mailcert_using_subcommand plan" -l json -d 'Short for --format json'
complete -c mailcert -n "__fish_mailcert_using_subcommand plan" -s v -l verbose -d 'Say more, in the answer and on stderr; twice for everything'
complete -c mailcert -n "__fish_mailcert_using_subcommand plan" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c mailcert -n "__fish_mailcert_using_subcommand plan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mailcert -n "__fish_mailcert_using_subcommand run" -l new-key -d 'Order a certificate with a new key for NAME now, and show it; may be repeated' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand run" -l metrics -d 'Write what came of it to FILE as well, for Prometheus\' textfile collector' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand run" -l wait -d 'Wait until another mailcert has ended instead of exiting 5, at most this long if SECONDS are given' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand run" -s c -l config -d 'The configuration file [default: /etc/mailcert/mailcert.toml]' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand run" -l format -d 'How the answer is written' -r -f -a "human\t'For people'
json\t'One JSON object'
jsonl\t'JSON lines: verify writes one for each endpoint as it is done, and a last one that sums up'
prometheus\t'verify, run, fix, rollback, status: text for the Prometheus textfile collector'
nagios\t'verify: one line and the exit codes of Nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN'
html\t'status: a page to look at, in one file'"
complete -c mailcert -n "__fish_mailcert_using_subcommand run" -l color -d 'Whether the answer is coloured' -r -f -a "auto\t'On a terminal that can, unless NO_COLOR is set'
always\t'Even into a file or pipe'
never\t'Not at all'"
complete -c mailcert -n "__fish_mailcert_using_subcommand run" -l dry-run -d 'Do as `plan` does: show what is to be done, change nothing'
complete -c mailcert -n "__fish_mailcert_using_subcommand run" -l staging -d 'Have the CA\'s staging directory validate every name; nothing is issued or changed'
complete -c mailcert -n "__fish_mailcert_using_subcommand run" -l drop-rsa -d 'Show RSA certificates no longer, where `key-types` does not ask for them'
complete -c mailcert -n "__fish_mailcert_using_subcommand run" -l strict -d 'Fail for what is wrong elsewhere, too: a broken domain, a backup MX'
complete -c mailcert -n "__fish_mailcert_using_subcommand run" -l json -d 'Short for --format json'
complete -c mailcert -n "__fish_mailcert_using_subcommand run" -s v -l verbose -d 'Say more, in the answer and on stderr; twice for everything'
complete -c mailcert -n "__fish_mailcert_using_subcommand run" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c mailcert -n "__fish_mailcert_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mailcert -n "__fish_mailcert_using_subcommand fix" -l wait -d 'Wait until another mailcert has ended instead of exiting 5, at most this long if SECONDS are given' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand fix" -l contact -d 'A mail address for the CA\'s notices' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand fix" -l acme-directory -d 'The CA\'s directory, or letsencrypt-staging [default: letsencrypt]' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand fix" -l ca-file -d 'The roots of the CA\'s own HTTPS, where it is a private one' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand fix" -l state -d 'Where certificates are kept [default: /var/lib/mailcert]' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand fix" -l address -d 'An address of this machine, where its interfaces do not have it (NAT); may be repeated' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand fix" -l dns -d 'Ask this resolver instead of those of resolv.conf; may be repeated' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand fix" -l roots -d 'The roots that decide: mozilla, system or a PEM file' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand fix" -s c -l config -d 'The configuration file [default: /etc/mailcert/mailcert.toml]' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand fix" -l format -d 'How the answer is written' -r -f -a "human\t'For people'
json\t'One JSON object'
jsonl\t'JSON lines: verify writes one for each endpoint as it is done, and a last one that sums up'
prometheus\t'verify, run, fix, rollback, status: text for the Prometheus textfile collector'
nagios\t'verify: one line and the exit codes of Nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN'
html\t'status: a page to look at, in one file'"
complete -c mailcert -n "__fish_mailcert_using_subcommand fix" -l color -d 'Whether the answer is coloured' -r -f -a "auto\t'On a terminal that can, unless NO_COLOR is set'
always\t'Even into a file or pipe'
never\t'Not at all'"
complete -c mailcert -n "__fish_mailcert_using_subcommand fix" -l yes -d 'Apply the hook-in lines of `setup` where they are missing, and reload a server though an edit of yours takes effect with it, without a question'
complete -c mailcert -n "__fish_mailcert_using_subcommand fix" -l dry-run -d 'Verify and show what would be done; change nothing'
complete -c mailcert -n "__fish_mailcert_using_subcommand fix" -l drop-rsa -d 'Show RSA certificates no longer, where `key-types` does not ask for them'
complete -c mailcert -n "__fish_mailcert_using_subcommand fix" -l strict -d 'Fail for what is wrong elsewhere, too: a broken domain, a backup MX'
complete -c mailcert -n "__fish_mailcert_using_subcommand fix" -l agree-to-terms -d 'Agree to the terms of the CA, those of https://letsencrypt.org/repository/'
complete -c mailcert -n "__fish_mailcert_using_subcommand fix" -l json -d 'Short for --format json'
complete -c mailcert -n "__fish_mailcert_using_subcommand fix" -s v -l verbose -d 'Say more, in the answer and on stderr; twice for everything'
complete -c mailcert -n "__fish_mailcert_using_subcommand fix" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c mailcert -n "__fish_mailcert_using_subcommand fix" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mailcert -n "__fish_mailcert_using_subcommand setup" -l web-server -d 'Print the lines by which a web server passes the CA\'s question on to us' -r -f -a "nginx\t''
apache\t''
caddy\t''"
complete -c mailcert -n "__fish_mailcert_using_subcommand setup" -l wait -d 'Wait until another mailcert has ended instead of exiting 5, at most this long if SECONDS are given' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand setup" -s c -l config -d 'The configuration file [default: /etc/mailcert/mailcert.toml]' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand setup" -l format -d 'How the answer is written' -r -f -a "human\t'For people'
json\t'One JSON object'
jsonl\t'JSON lines: verify writes one for each endpoint as it is done, and a last one that sums up'
prometheus\t'verify, run, fix, rollback, status: text for the Prometheus textfile collector'
nagios\t'verify: one line and the exit codes of Nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN'
html\t'status: a page to look at, in one file'"
complete -c mailcert -n "__fish_mailcert_using_subcommand setup" -l color -d 'Whether the answer is coloured' -r -f -a "auto\t'On a terminal that can, unless NO_COLOR is set'
always\t'Even into a file or pipe'
never\t'Not at all'"
complete -c mailcert -n "__fish_mailcert_using_subcommand setup" -l undo -d 'Take back what setup has changed'
complete -c mailcert -n "__fish_mailcert_using_subcommand setup" -l yes -d 'Apply without a question'
complete -c mailcert -n "__fish_mailcert_using_subcommand setup" -l json -d 'Short for --format json'
complete -c mailcert -n "__fish_mailcert_using_subcommand setup" -s v -l verbose -d 'Say more, in the answer and on stderr; twice for everything'
complete -c mailcert -n "__fish_mailcert_using_subcommand setup" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c mailcert -n "__fish_mailcert_using_subcommand setup" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mailcert -n "__fish_mailcert_using_subcommand watch" -l listen -d 'Serve /metrics (for Prometheus) and /healthz by HTTP here; a loopback address' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand watch" -l metrics -d 'Write what came of each look to FILE, for Prometheus\' textfile collector' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand watch" -l page -d 'Write the page of `status --format html` to FILE after each look' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand watch" -s c -l config -d 'The configuration file [default: /etc/mailcert/mailcert.toml]' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand watch" -l format -d 'How the answer is written' -r -f -a "human\t'For people'
json\t'One JSON object'
jsonl\t'JSON lines: verify writes one for each endpoint as it is done, and a last one that sums up'
prometheus\t'verify, run, fix, rollback, status: text for the Prometheus textfile collector'
nagios\t'verify: one line and the exit codes of Nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN'
html\t'status: a page to look at, in one file'"
complete -c mailcert -n "__fish_mailcert_using_subcommand watch" -l color -d 'Whether the answer is coloured' -r -f -a "auto\t'On a terminal that can, unless NO_COLOR is set'
always\t'Even into a file or pipe'
never\t'Not at all'"
complete -c mailcert -n "__fish_mailcert_using_subcommand watch" -l strict -d 'Fail for what is wrong elsewhere, too: a broken domain, a backup MX'
complete -c mailcert -n "__fish_mailcert_using_subcommand watch" -l json -d 'Short for --format json'
complete -c mailcert -n "__fish_mailcert_using_subcommand watch" -s v -l verbose -d 'Say more, in the answer and on stderr; twice for everything'
complete -c mailcert -n "__fish_mailcert_using_subcommand watch" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c mailcert -n "__fish_mailcert_using_subcommand watch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mailcert -n "__fish_mailcert_using_subcommand status" -s c -l config -d 'The configuration file [default: /etc/mailcert/mailcert.toml]' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand status" -l format -d 'How the answer is written' -r -f -a "human\t'For people'
json\t'One JSON object'
jsonl\t'JSON lines: verify writes one for each endpoint as it is done, and a last one that sums up'
prometheus\t'verify, run, fix, rollback, status: text for the Prometheus textfile collector'
nagios\t'verify: one line and the exit codes of Nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN'
html\t'status: a page to look at, in one file'"
complete -c mailcert -n "__fish_mailcert_using_subcommand status" -l color -d 'Whether the answer is coloured' -r -f -a "auto\t'On a terminal that can, unless NO_COLOR is set'
always\t'Even into a file or pipe'
never\t'Not at all'"
complete -c mailcert -n "__fish_mailcert_using_subcommand status" -l json -d 'Short for --format json'
complete -c mailcert -n "__fish_mailcert_using_subcommand status" -s v -l verbose -d 'Say more, in the answer and on stderr; twice for everything'
complete -c mailcert -n "__fish_mailcert_using_subcommand status" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c mailcert -n "__fish_mailcert_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mailcert -n "__fish_mailcert_using_subcommand history" -s n -l lines -d 'How many are shown, the latest ones' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand history" -s c -l config -d 'The configuration file [default: /etc/mailcert/mailcert.toml]' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand history" -l format -d 'How the answer is written' -r -f -a "human\t'For people'
json\t'One JSON object'
jsonl\t'JSON lines: verify writes one for each endpoint as it is done, and a last one that sums up'
prometheus\t'verify, run, fix, rollback, status: text for the Prometheus textfile collector'
nagios\t'verify: one line and the exit codes of Nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN'
html\t'status: a page to look at, in one file'"
complete -c mailcert -n "__fish_mailcert_using_subcommand history" -l color -d 'Whether the answer is coloured' -r -f -a "auto\t'On a terminal that can, unless NO_COLOR is set'
always\t'Even into a file or pipe'
never\t'Not at all'"
complete -c mailcert -n "__fish_mailcert_using_subcommand history" -l json -d 'Short for --format json'
complete -c mailcert -n "__fish_mailcert_using_subcommand history" -s v -l verbose -d 'Say more, in the answer and on stderr; twice for everything'
complete -c mailcert -n "__fish_mailcert_using_subcommand history" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c mailcert -n "__fish_mailcert_using_subcommand history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mailcert -n "__fish_mailcert_using_subcommand check" -s c -l config -d 'The configuration file [default: /etc/mailcert/mailcert.toml]' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand check" -l format -d 'How the answer is written' -r -f -a "human\t'For people'
json\t'One JSON object'
jsonl\t'JSON lines: verify writes one for each endpoint as it is done, and a last one that sums up'
prometheus\t'verify, run, fix, rollback, status: text for the Prometheus textfile collector'
nagios\t'verify: one line and the exit codes of Nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN'
html\t'status: a page to look at, in one file'"
complete -c mailcert -n "__fish_mailcert_using_subcommand check" -l color -d 'Whether the answer is coloured' -r -f -a "auto\t'On a terminal that can, unless NO_COLOR is set'
always\t'Even into a file or pipe'
never\t'Not at all'"
complete -c mailcert -n "__fish_mailcert_using_subcommand check" -l json -d 'Short for --format json'
complete -c mailcert -n "__fish_mailcert_using_subcommand check" -s v -l verbose -d 'Say more, in the answer and on stderr; twice for everything'
complete -c mailcert -n "__fish_mailcert_using_subcommand check" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c mailcert -n "__fish_mailcert_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mailcert -n "__fish_mailcert_using_subcommand init" -s c -l config -d 'The configuration file [default: /etc/mailcert/mailcert.toml]' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand init" -l format -d 'How the answer is written' -r -f -a "human\t'For people'
json\t'One JSON object'
jsonl\t'JSON lines: verify writes one for each endpoint as it is done, and a last one that sums up'
prometheus\t'verify, run, fix, rollback, status: text for the Prometheus textfile collector'
nagios\t'verify: one line and the exit codes of Nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN'
html\t'status: a page to look at, in one file'"
complete -c mailcert -n "__fish_mailcert_using_subcommand init" -l color -d 'Whether the answer is coloured' -r -f -a "auto\t'On a terminal that can, unless NO_COLOR is set'
always\t'Even into a file or pipe'
never\t'Not at all'"
complete -c mailcert -n "__fish_mailcert_using_subcommand init" -l force -d 'Replace a configuration file that is there already'
complete -c mailcert -n "__fish_mailcert_using_subcommand init" -l print -d 'Print the file to stdout, write nothing'
complete -c mailcert -n "__fish_mailcert_using_subcommand init" -l json -d 'Short for --format json'
complete -c mailcert -n "__fish_mailcert_using_subcommand init" -s v -l verbose -d 'Say more, in the answer and on stderr; twice for everything'
complete -c mailcert -n "__fish_mailcert_using_subcommand init" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c mailcert -n "__fish_mailcert_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mailcert -n "__fish_mailcert_using_subcommand rollback" -l wait -d 'Wait until another mailcert has ended instead of exiting 5, at most this long if SECONDS are given' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand rollback" -s c -l config -d 'The configuration file [default: /etc/mailcert/mailcert.toml]' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand rollback" -l format -d 'How the answer is written' -r -f -a "human\t'For people'
json\t'One JSON object'
jsonl\t'JSON lines: verify writes one for each endpoint as it is done, and a last one that sums up'
prometheus\t'verify, run, fix, rollback, status: text for the Prometheus textfile collector'
nagios\t'verify: one line and the exit codes of Nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN'
html\t'status: a page to look at, in one file'"
complete -c mailcert -n "__fish_mailcert_using_subcommand rollback" -l color -d 'Whether the answer is coloured' -r -f -a "auto\t'On a terminal that can, unless NO_COLOR is set'
always\t'Even into a file or pipe'
never\t'Not at all'"
complete -c mailcert -n "__fish_mailcert_using_subcommand rollback" -l json -d 'Short for --format json'
complete -c mailcert -n "__fish_mailcert_using_subcommand rollback" -s v -l verbose -d 'Say more, in the answer and on stderr; twice for everything'
complete -c mailcert -n "__fish_mailcert_using_subcommand rollback" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c mailcert -n "__fish_mailcert_using_subcommand rollback" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mailcert -n "__fish_mailcert_using_subcommand hold" -l why -d 'Why, for who reads `status` and `plan`' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand hold" -l wait -d 'Wait until another mailcert has ended instead of exiting 5, at most this long if SECONDS are given' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand hold" -s c -l config -d 'The configuration file [default: /etc/mailcert/mailcert.toml]' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand hold" -l format -d 'How the answer is written' -r -f -a "human\t'For people'
json\t'One JSON object'
jsonl\t'JSON lines: verify writes one for each endpoint as it is done, and a last one that sums up'
prometheus\t'verify, run, fix, rollback, status: text for the Prometheus textfile collector'
nagios\t'verify: one line and the exit codes of Nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN'
html\t'status: a page to look at, in one file'"
complete -c mailcert -n "__fish_mailcert_using_subcommand hold" -l color -d 'Whether the answer is coloured' -r -f -a "auto\t'On a terminal that can, unless NO_COLOR is set'
always\t'Even into a file or pipe'
never\t'Not at all'"
complete -c mailcert -n "__fish_mailcert_using_subcommand hold" -l json -d 'Short for --format json'
complete -c mailcert -n "__fish_mailcert_using_subcommand hold" -s v -l verbose -d 'Say more, in the answer and on stderr; twice for everything'
complete -c mailcert -n "__fish_mailcert_using_subcommand hold" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c mailcert -n "__fish_mailcert_using_subcommand hold" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mailcert -n "__fish_mailcert_using_subcommand release" -l wait -d 'Wait until another mailcert has ended instead of exiting 5, at most this long if SECONDS are given' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand release" -s c -l config -d 'The configuration file [default: /etc/mailcert/mailcert.toml]' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand release" -l format -d 'How the answer is written' -r -f -a "human\t'For people'
json\t'One JSON object'
jsonl\t'JSON lines: verify writes one for each endpoint as it is done, and a last one that sums up'
prometheus\t'verify, run, fix, rollback, status: text for the Prometheus textfile collector'
nagios\t'verify: one line and the exit codes of Nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN'
html\t'status: a page to look at, in one file'"
complete -c mailcert -n "__fish_mailcert_using_subcommand release" -l color -d 'Whether the answer is coloured' -r -f -a "auto\t'On a terminal that can, unless NO_COLOR is set'
always\t'Even into a file or pipe'
never\t'Not at all'"
complete -c mailcert -n "__fish_mailcert_using_subcommand release" -l json -d 'Short for --format json'
complete -c mailcert -n "__fish_mailcert_using_subcommand release" -s v -l verbose -d 'Say more, in the answer and on stderr; twice for everything'
complete -c mailcert -n "__fish_mailcert_using_subcommand release" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c mailcert -n "__fish_mailcert_using_subcommand release" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mailcert -n "__fish_mailcert_using_subcommand revoke" -l version -d 'Which version [default: one that others could read, else the one that is shown]' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand revoke" -l reason -d 'Why: the CA publishes it' -r -f -a "unspecified\t'No reason is given'
keyCompromise\t'Others have the key, or may have it'
superseded\t'Another certificate has taken its place'
cessationOfOperation\t'Its names are not served any more'"
complete -c mailcert -n "__fish_mailcert_using_subcommand revoke" -l with -d 'Whose key signs the request [default: the account\'s, else the certificate\'s]' -r -f -a "account\t'The account\'s'
certificate\t'The certificate\'s own'"
complete -c mailcert -n "__fish_mailcert_using_subcommand revoke" -l key -d 'The private key (PEM) of the certificate in FILE' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand revoke" -l ca -d 'The CA that issued FILE, by its directory [default: the one known by its issuer, else the first]' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand revoke" -l wait -d 'Wait until another mailcert has ended instead of exiting 5, at most this long if SECONDS are given' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand revoke" -s c -l config -d 'The configuration file [default: /etc/mailcert/mailcert.toml]' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand revoke" -l format -d 'How the answer is written' -r -f -a "human\t'For people'
json\t'One JSON object'
jsonl\t'JSON lines: verify writes one for each endpoint as it is done, and a last one that sums up'
prometheus\t'verify, run, fix, rollback, status: text for the Prometheus textfile collector'
nagios\t'verify: one line and the exit codes of Nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN'
html\t'status: a page to look at, in one file'"
complete -c mailcert -n "__fish_mailcert_using_subcommand revoke" -l color -d 'Whether the answer is coloured' -r -f -a "auto\t'On a terminal that can, unless NO_COLOR is set'
always\t'Even into a file or pipe'
never\t'Not at all'"
complete -c mailcert -n "__fish_mailcert_using_subcommand revoke" -l yes -d 'Revoke without a question'
complete -c mailcert -n "__fish_mailcert_using_subcommand revoke" -l json -d 'Short for --format json'
complete -c mailcert -n "__fish_mailcert_using_subcommand revoke" -s v -l verbose -d 'Say more, in the answer and on stderr; twice for everything'
complete -c mailcert -n "__fish_mailcert_using_subcommand revoke" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c mailcert -n "__fish_mailcert_using_subcommand revoke" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mailcert -n "__fish_mailcert_using_subcommand account" -l ca -d 'The CA, by its directory, where there are fallbacks [default: the first]' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand account" -l wait -d 'Wait until another mailcert has ended instead of exiting 5, at most this long if SECONDS are given' -r
complete -c mailcert -n "__fish_mailcert_using_subcommand account" -s c -l config -d 'The configuration file [default: /etc/mailcert/mailcert.toml]' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand account" -l format -d 'How the answer is written' -r -f -a "human\t'For people'
json\t'One JSON object'
jsonl\t'JSON lines: verify writes one for each endpoint as it is done, and a last one that sums up'
prometheus\t'verify, run, fix, rollback, status: text for the Prometheus textfile collector'
nagios\t'verify: one line and the exit codes of Nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN'
html\t'status: a page to look at, in one file'"
complete -c mailcert -n "__fish_mailcert_using_subcommand account" -l color -d 'Whether the answer is coloured' -r -f -a "auto\t'On a terminal that can, unless NO_COLOR is set'
always\t'Even into a file or pipe'
never\t'Not at all'"
complete -c mailcert -n "__fish_mailcert_using_subcommand account" -l yes -d 'deactivate: without a question'
complete -c mailcert -n "__fish_mailcert_using_subcommand account" -l json -d 'Short for --format json'
complete -c mailcert -n "__fish_mailcert_using_subcommand account" -s v -l verbose -d 'Say more, in the answer and on stderr; twice for everything'
complete -c mailcert -n "__fish_mailcert_using_subcommand account" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c mailcert -n "__fish_mailcert_using_subcommand account" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mailcert -n "__fish_mailcert_using_subcommand explain" -s c -l config -d 'The configuration file [default: /etc/mailcert/mailcert.toml]' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand explain" -l format -d 'How the answer is written' -r -f -a "human\t'For people'
json\t'One JSON object'
jsonl\t'JSON lines: verify writes one for each endpoint as it is done, and a last one that sums up'
prometheus\t'verify, run, fix, rollback, status: text for the Prometheus textfile collector'
nagios\t'verify: one line and the exit codes of Nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN'
html\t'status: a page to look at, in one file'"
complete -c mailcert -n "__fish_mailcert_using_subcommand explain" -l color -d 'Whether the answer is coloured' -r -f -a "auto\t'On a terminal that can, unless NO_COLOR is set'
always\t'Even into a file or pipe'
never\t'Not at all'"
complete -c mailcert -n "__fish_mailcert_using_subcommand explain" -l list -d 'List all codes'
complete -c mailcert -n "__fish_mailcert_using_subcommand explain" -l json -d 'Short for --format json'
complete -c mailcert -n "__fish_mailcert_using_subcommand explain" -s v -l verbose -d 'Say more, in the answer and on stderr; twice for everything'
complete -c mailcert -n "__fish_mailcert_using_subcommand explain" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c mailcert -n "__fish_mailcert_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mailcert -n "__fish_mailcert_using_subcommand completions" -s c -l config -d 'The configuration file [default: /etc/mailcert/mailcert.toml]' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand completions" -l format -d 'How the answer is written' -r -f -a "human\t'For people'
json\t'One JSON object'
jsonl\t'JSON lines: verify writes one for each endpoint as it is done, and a last one that sums up'
prometheus\t'verify, run, fix, rollback, status: text for the Prometheus textfile collector'
nagios\t'verify: one line and the exit codes of Nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN'
html\t'status: a page to look at, in one file'"
complete -c mailcert -n "__fish_mailcert_using_subcommand completions" -l color -d 'Whether the answer is coloured' -r -f -a "auto\t'On a terminal that can, unless NO_COLOR is set'
always\t'Even into a file or pipe'
never\t'Not at all'"
complete -c mailcert -n "__fish_mailcert_using_subcommand completions" -l json -d 'Short for --format json'
complete -c mailcert -n "__fish_mailcert_using_subcommand completions" -s v -l verbose -d 'Say more, in the answer and on stderr; twice for everything'
complete -c mailcert -n "__fish_mailcert_using_subcommand completions" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c mailcert -n "__fish_mailcert_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mailcert -n "__fish_mailcert_using_subcommand man" -s c -l config -d 'The configuration file [default: /etc/mailcert/mailcert.toml]' -r -F
complete -c mailcert -n "__fish_mailcert_using_subcommand man" -l format -d 'How the answer is written' -r -f -a "human\t'For people'
json\t'One JSON object'
jsonl\t'JSON lines: verify writes one for each endpoint as it is done, and a last one that sums up'
prometheus\t'verify, run, fix, rollback, status: text for the Prometheus textfile collector'
nagios\t'verify: one line and the exit codes of Nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN'
html\t'status: a page to look at, in one file'"
complete -c mailcert -n "__fish_mailcert_using_subcommand man" -l color -d 'Whether the answer is coloured' -r -f -a "auto\t'On a terminal that can, unless NO_COLOR is set'
always\t'Even into a file or pipe'
never\t'Not at all'"
complete -c mailcert -n "__fish_mailcert_using_subcommand man" -l json -d 'Short for --format json'
complete -c mailcert -n "__fish_mailcert_using_subcommand man" -s v -l verbose -d 'Say more, in the answer and on stderr; twice for everything'
complete -c mailcert -n "__fish_mailcert_using_subcommand man" -s q -l quiet -d 'Say nothing on stderr but errors'
complete -c mailcert -n "__fish_mailcert_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mailcert -n "__fish_mailcert_using_subcommand help; and not __fish_seen_subcommand_from verify discover plan run fix setup watch status history check init rollback hold release revoke account explain completions man help" -f -a "verify" -d 'Ask each mail server what Gmail would ask: accepted, refused or unknown'
complete -c mailcert -n "__fish_mailcert_using_subcommand help; and not __fish_seen_subcommand_from verify discover plan run fix setup watch status history check init rollback hold release revoke account explain completions man help" -f -a "discover" -d 'Show the mail host names of the domains and why each is one'
complete -c mailcert -n "__fish_mailcert_using_subcommand help; and not __fish_seen_subcommand_from verify discover plan run fix setup watch status history check init rollback hold release revoke account explain completions man help" -f -a "plan" -d 'Show what is to be done and why; change nothing'
complete -c mailcert -n "__fish_mailcert_using_subcommand help; and not __fish_seen_subcommand_from verify discover plan run fix setup watch status history check init rollback hold release revoke account explain completions man help" -f -a "run" -d 'Do what is to be done: the timer\'s job'
complete -c mailcert -n "__fish_mailcert_using_subcommand help; and not __fish_seen_subcommand_from verify discover plan run fix setup watch status history check init rollback hold release revoke account explain completions man help" -f -a "fix" -d 'Repair whatever is wrong, now: verify, run, verify again'
complete -c mailcert -n "__fish_mailcert_using_subcommand help; and not __fish_seen_subcommand_from verify discover plan run fix setup watch status history check init rollback hold release revoke account explain completions man help" -f -a "setup" -d 'Show, and with consent apply, the lines that make the servers use our files'
complete -c mailcert -n "__fish_mailcert_using_subcommand help; and not __fish_seen_subcommand_from verify discover plan run fix setup watch status history check init rollback hold release revoke account explain completions man help" -f -a "watch" -d 'Stay resident: do what `run` does whenever there is a reason to look'
complete -c mailcert -n "__fish_mailcert_using_subcommand help; and not __fish_seen_subcommand_from verify discover plan run fix setup watch status history check init rollback hold release revoke account explain completions man help" -f -a "status" -d 'Show every certificate held, from memory'
complete -c mailcert -n "__fish_mailcert_using_subcommand help; and not __fish_seen_subcommand_from verify discover plan run fix setup watch status history check init rollback hold release revoke account explain completions man help" -f -a "history" -d 'Say what was done, when and why'
complete -c mailcert -n "__fish_mailcert_using_subcommand help; and not __fish_seen_subcommand_from verify discover plan run fix setup watch status history check init rollback hold release revoke account explain completions man help" -f -a "check" -d 'Say whether configuration, programs and servers are as they should be'
complete -c mailcert -n "__fish_mailcert_using_subcommand help; and not __fish_seen_subcommand_from verify discover plan run fix setup watch status history check init rollback hold release revoke account explain completions man help" -f -a "init" -d 'Look at this machine and write a first configuration file'
complete -c mailcert -n "__fish_mailcert_using_subcommand help; and not __fish_seen_subcommand_from verify discover plan run fix setup watch status history check init rollback hold release revoke account explain completions man help" -f -a "rollback" -d 'Show the previous version of a certificate again'
complete -c mailcert -n "__fish_mailcert_using_subcommand help; and not __fish_seen_subcommand_from verify discover plan run fix setup watch status history check init rollback hold release revoke account explain completions man help" -f -a "hold" -d 'Leave a certificate as it is until it is released'
complete -c mailcert -n "__fish_mailcert_using_subcommand help; and not __fish_seen_subcommand_from verify discover plan run fix setup watch status history check init rollback hold release revoke account explain completions man help" -f -a "release" -d 'End what `hold` began'
complete -c mailcert -n "__fish_mailcert_using_subcommand help; and not __fish_seen_subcommand_from verify discover plan run fix setup watch status history check init rollback hold release revoke account explain completions man help" -f -a "revoke" -d 'Revoke a certificate at the CA, once another one is shown in its place'
complete -c mailcert -n "__fish_mailcert_using_subcommand help; and not __fish_seen_subcommand_from verify discover plan run fix setup watch status history check init rollback hold release revoke account explain completions man help" -f -a "account" -d 'Look at the account at the CA, change its key or contacts, give it up'
complete -c mailcert -n "__fish_mailcert_using_subcommand help; and not __fish_seen_subcommand_from verify discover plan run fix setup watch status history check init rollback hold release revoke account explain completions man help" -f -a "explain" -d 'Say what a problem code means and how to cure it'
complete -c mailcert -n "__fish_mailcert_using_subcommand help; and not __fish_seen_subcommand_from verify discover plan run fix setup watch status history check init rollback hold release revoke account explain completions man help" -f -a "completions" -d 'Print shell completions'
complete -c mailcert -n "__fish_mailcert_using_subcommand help; and not __fish_seen_subcommand_from verify discover plan run fix setup watch status history check init rollback hold release revoke account explain completions man help" -f -a "man" -d 'Write the man pages'
complete -c mailcert -n "__fish_mailcert_using_subcommand help; and not __fish_seen_subcommand_from verify discover plan run fix setup watch status history check init rollback hold release revoke account explain completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
