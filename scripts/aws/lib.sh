# shellcheck shell=bash
# What scripts/aws/{race,clean,prices} share: calls of the aws client and their errors, the region and the account, the
# table of prices, and finding and removing what a race made. Sourced; the script that sources it sets `-euo pipefail`.
#
# Every `return` has its status: in a trap, one without has that of before the trap.
#
# Everything a race makes bears the tag gradrace-race=ID; names say it too, where a listing by tag is slow or late: the
# bucket is ID, and the role and the instance profile are /gradrace/REGION/ID.
#
# GRADRACE_AWS_POLL_S is the pause between two looks, in seconds (15); the tests make it short.

prices=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/src/report/prices.json
tag=gradrace-race
# Of a race's role, its only one.
policy=bucket
poll_s=${GRADRACE_AWS_POLL_S:-15}
short_pause_s=3
# The client's pager would wait for a key, and its prompt for an answer.
export AWS_PAGER='' AWS_CLI_AUTO_PROMPT=off

say() { printf '%s\n' "$*"; }
warn() { printf 'error: %s\n' "$*" >&2; }
# Bad usage, a refused plan, or credentials that do not serve.
refuse() { warn "$@"; exit 2; }

scratch=$(mktemp -d)

# Calls the aws client. Its output is then in `answer`; of an error, the code is in `error_code` and the client's line in
# `error_line`. Ctrl-C is heard at once, but does not break the call off: what a call makes has to be known, to be removed.
call() {
    (
        trap '' INT TERM HUP
        status=0
        aws "$@" --cli-connect-timeout 20 --cli-read-timeout 60 >"$scratch/answer" 2>"$scratch/error" </dev/null || status=$?
        echo "$status" >"$scratch/status"
    ) >/dev/null 2>&1 &
    in_flight=$!
    await_call
    answer=$(cat "$scratch/answer")
    error_code='' error_line=''
    [ "$(cat "$scratch/status")" = 0 ] && return 0
    error_line=$(hide_keys "$(grep -m 1 -v '^[[:space:]]*$' "$scratch/error" || echo "the aws client gave no reason")")
    error_code=$(printf '%s\n' "$error_line" | sed -n 's/.*An error occurred (\([A-Za-z0-9._]*\)).*/\1/p')
    error_line=${error_line#aws: }
    error_line=${error_line#\[ERROR\]: }
    return 1
}

# Waits until the call in flight is over, whatever signals come.
in_flight=''
await_call() {
    while [ -n "$in_flight" ] && kill -0 "$in_flight" 2>/dev/null; do
        wait "$in_flight" 2>/dev/null || true
    done
    in_flight=''
}

# A pause that a signal ends.
pause() {
    # Left behind, it must hold nobody's pipe open.
    sleep "$1" >/dev/null 2>&1 &
    wait $! || true
}

# A line without what no line may show.
hide_keys() {
    local line=$1 key
    for key in "${AWS_ACCESS_KEY_ID:-}" "${AWS_SECRET_ACCESS_KEY:-}" "${AWS_SESSION_TOKEN:-}"; do
        if [ "${#key}" -ge 8 ]; then line=${line//"$key"/[hidden]}; fi
    done
    printf '%s\n' "$line" | sed 's/A[KS]IA[A-Z0-9]\{12,\}/[hidden]/g'
}

# What the last error means for a person.
explain() {
    case "$error_code $error_line" in
        *"locate credentials"* | *NoCredentials*)
            echo "no AWS credentials are here: run \`aws configure\` or \`aws sso login\`, or set AWS_PROFILE" ;;
        Expired* | RequestExpired* | *"has expired"* | *"expired and refresh failed"*)
            echo "the AWS credentials have expired: sign in again (\`aws sso login\`, or new keys), then run this again" ;;
        InvalidClientTokenId* | UnrecognizedClient* | "AuthFailure "* | SignatureDoesNotMatch* | InvalidSignature* | \
            InvalidAccessKeyId* | IncompleteSignature* | InvalidToken*)
            echo "AWS does not accept these credentials in $region ($error_code): check them with" \
                "\`aws sts get-caller-identity\`, and that the account has enabled this region" ;;
        *"Could not connect to the endpoint"* | *"Could not resolve"* | *"Invalid endpoint"* | *"Connect timeout"* | \
            *"valid hostname"* | *"does not match a supported format"*)
            echo "region $region does not answer: there is no such region, or there is no network here" ;;
        # AWS adds a long code that only `aws sts decode-authorization-message` reads.
        *) echo "${error_line%% Encoded authorization failure message*}" ;;
    esac
}

require_client() {
    command -v aws >/dev/null ||
        refuse "the aws client is not here: install it (https://aws.amazon.com/cli), then run this again"
    case $poll_s in
        '' | *[!0-9]*) refuse "GRADRACE_AWS_POLL_S=$poll_s: give whole seconds" ;;
    esac
    if [ "$poll_s" -lt "$short_pause_s" ]; then short_pause_s=$poll_s; fi
}

# The region: as given, else what the environment or the client's own settings say; empty where nothing does.
choose_region() {
    region=${1:-${AWS_REGION:-${AWS_DEFAULT_REGION:-}}}
    if [ -z "$region" ] && command -v aws >/dev/null; then
        region=$(aws configure get region 2>/dev/null || true)
    fi
    if [ -n "$region" ] && ! [[ $region =~ ^[a-z]{2,}(-[a-z]+)+-[0-9]+$ ]]; then
        refuse "region $region: no region's name looks so: us-east-1, eu-west-1, ..."
    fi
}

# Every call from now on is to this region.
use_region() {
    export AWS_REGION=$region AWS_DEFAULT_REGION=$region
}

# That there are credentials and that this region takes them, before anything is made. The answer has the account's number.
check_account() {
    call sts get-caller-identity --query '[Account, Arn]' --output text || refuse "$(explain)"
}

# One field of a type's line in the table of prices, which keeps one machine a line: vcpus, gpu, gpus, usd_per_hour; of
# the table itself: date, region. Nothing where there is none.
table_field() {
    awk -v type="$1" -v field="$2" '
        type == "" ? !/"type"/ : index($0, "\"type\": \"" type "\"") {
            if (match($0, "\"" field "\": *(\"[^\"]*\"|[^,}]*)")) {
                value = substr($0, RSTART, RLENGTH)
                sub(/^"[a-z_]*": */, "", value)
                gsub(/"/, "", value)
                if (value != "null") print value
                exit
            }
        }' "$prices"
}

# Asks; no terminal is a no.
agreed() {
    local word
    [ -n "$yes" ] && return 0
    [ -t 0 ] || refuse "nobody is here to agree: give --yes"
    printf '%s [y/N] ' "$1"
    read -r word || word=''
    case $word in
        y | Y | yes) ;;
        *) return 1 ;;
    esac
}

# --- what a race made ---

# Every ID has this form, so that no other bucket is ever taken for one.
id_pattern='^gradrace-[0-9]{8}-[0-9]{6}-[0-9a-f]{6}$'

# Words of the last answer, one a line; the client writes None where there is none.
words() { tr '[:space:]' '\n' <<<"$answer" | grep -v -x -e None -e '' || true; }

found=()
# Lists into `found`, as lines "kind name", what there is of race $1, or of every race in this region.
find_made() {
    local id=$1 filter=Name=tag-key,Values=$tag name
    found=()
    if [ -n "$id" ]; then filter="Name=tag:$tag,Values=$id"; fi
    call ec2 describe-spot-instance-requests --filters "$filter" Name=state,Values=open,active \
        --query 'SpotInstanceRequests[].SpotInstanceRequestId' --output text || return 1
    add_found spot-request
    call ec2 describe-instances --filters "$filter" \
        Name=instance-state-name,Values=pending,running,shutting-down,stopping,stopped \
        --query 'Reservations[].Instances[].InstanceId' --output text || return 1
    add_found instance
    call ec2 describe-volumes --filters "$filter" --query 'Volumes[].VolumeId' --output text || return 1
    add_found volume
    call ec2 describe-security-groups --filters "$filter" --query 'SecurityGroups[].GroupId' --output text || return 1
    add_found security-group
    call iam list-instance-profiles --path-prefix "/gradrace/$region/" \
        --query 'InstanceProfiles[].InstanceProfileName' --output text || return 1
    add_found instance-profile "$id"
    call iam list-roles --path-prefix "/gradrace/$region/" --query 'Roles[].RoleName' --output text || return 1
    add_found role "$id"
    call s3api list-buckets --query 'Buckets[].Name' --output text || return 1
    local buckets
    buckets=$(words)
    for name in $buckets; do
        [[ $name =~ $id_pattern ]] || continue
        [ -z "$id" ] || [ "$name" = "$id" ] || continue
        # Buckets of every region are listed; us-east-1 is told as None.
        if call s3api get-bucket-location --bucket "$name" --query LocationConstraint --output text; then
            [ "${answer/None/us-east-1}" = "$region" ] || continue
        elif [ "$error_code" = NoSuchBucket ]; then
            continue # The listing is late.
        else
            return 1
        fi
        found+=("bucket $name")
    done
}

# Adds the words of the answer; with an ID, that name alone.
add_found() {
    local name
    for name in $(words); do
        if [ -z "${2:-}" ] || [ "$name" = "$2" ]; then found+=("$1 $name"); fi
    done
}

# The names of one kind among what was found.
of_kind() {
    local line
    for line in ${found[@]+"${found[@]}"}; do
        if [ "${line%% *}" = "$1" ]; then echo "${line#* }"; fi
    done
}

# A removal that fails is told, and the rest goes on; what is gone already is no failure.
attempt() {
    call "$@" && return 0
    case $error_code in
        *NotFound | NoSuch*) return 0 ;;
    esac
    trouble="$1 $2: $(explain)"
    return 1
}

# Removes what was found, in the order in which one thing holds another.
remove_found() {
    local name names
    names=$(of_kind spot-request)
    # shellcheck disable=SC2086 # ids are words
    [ -z "$names" ] || attempt ec2 cancel-spot-instance-requests --spot-instance-request-ids $names || true
    names=$(of_kind instance)
    # shellcheck disable=SC2086 # ids are words
    if [ -n "$names" ] && ! call ec2 terminate-instances --instance-ids $names; then
        # One that is gone already fails them all.
        for name in $names; do
            attempt ec2 terminate-instances --instance-ids "$name" || true
        done
    fi
    [ -z "$names" ] || await_instances "$names" || true
    for name in $(of_kind volume); do
        # A root volume goes with its instance.
        call ec2 delete-volume --volume-id "$name" || true
    done
    for name in $(of_kind security-group); do
        remove_group "$name" || true
    done
    for name in $(of_kind instance-profile); do
        remove_profile "$name" || true
    done
    for name in $(of_kind role); do
        remove_role "$name" || true
    done
    for name in $(of_kind bucket); do
        remove_bucket "$name" || true
    done
}

# Until all of them have ended, ten minutes at most: a large GPU machine takes some.
await_instances() {
    local end=$((SECONDS + 600)) list
    list=$(tr '\n' ',' <<<"$1")
    while [ "$SECONDS" -lt "$end" ]; do
        attempt ec2 describe-instances --filters "Name=instance-id,Values=${list%,}" \
            Name=instance-state-name,Values=pending,running,shutting-down,stopping,stopped \
            --query 'Reservations[].Instances[].InstanceId' --output text || return 1
        [ -n "$(words)" ] || return 0
        pause "$short_pause_s"
    done
    trouble="after ten minutes not every instance has ended"
}

# The network interface of an ended instance may hold its group for a while.
remove_group() {
    local end=$((SECONDS + 60))
    until attempt ec2 delete-security-group --group-id "$1"; do
        if [ "$error_code" != DependencyViolation ] || [ "$SECONDS" -ge "$end" ]; then return 1; fi
        pause "$short_pause_s"
    done
}

# The role in a profile has its name, and one policy: race makes no other.
remove_profile() {
    attempt iam remove-role-from-instance-profile --instance-profile-name "$1" --role-name "$1" &&
        attempt iam delete-instance-profile --instance-profile-name "$1"
}

remove_role() {
    attempt iam delete-role-policy --role-name "$1" --policy-name "$policy" && attempt iam delete-role --role-name "$1"
}

# Every version goes, a thousand a call, then the bucket.
remove_bucket() {
    local listed
    while :; do
        listed=''
        attempt s3api list-object-versions --bucket "$1" --no-paginate --max-keys 1000 --output json \
            --query '{Objects: [Versions, DeleteMarkers][][].{Key: Key, VersionId: VersionId}}' || return 1
        if grep '"Key"' >/dev/null <<<"$answer"; then
            listed=yes
            printf '%s\n' "$answer" >"$scratch/objects.json"
            attempt s3api delete-objects --bucket "$1" --delete "file://$scratch/objects.json" \
                --query 'Errors[].Key' --output text || return 1
            # What may not be deleted would be listed for ever.
            if [ -n "$(words)" ]; then
                trouble="s3api delete-objects: $(words | head -n 1) stays"
                return 1
            fi
        fi
        attempt s3api delete-bucket --bucket "$1" && return 0
        # Not empty with nothing listed: the listing is late, and remove_made looks again.
        [ "$error_code" = BucketNotEmpty ] && [ -n "$listed" ] || return 1
    done
}

# Removes all of race $1, or of every race in this region, and looks again: a listing may be late. What `found` has
# already is removed without a look before. Status 1, and `found`, when something is left; `trouble` is the last reason.
remove_made() {
    local round last=''
    for round in 1 2 3 4; do
        trouble=''
        if [ "$round" -gt 1 ] || [ "${#found[@]}" -eq 0 ]; then
            find_made "$1" || { trouble=$(explain) && return 1; }
            if [ "${#found[@]}" -eq 0 ]; then return 0; fi
        fi
        if [ "$round" -eq 4 ]; then break; fi
        if [ "$round" -gt 1 ]; then pause "$poll_s"; fi
        remove_found
        last=$trouble
    done
    trouble=$last
    return 1
}

# Says what remove_made left, and the command for it.
tell_left() {
    local line
    warn "not everything could be removed${trouble:+: $trouble}"
    for line in ${found[@]+"${found[@]}"}; do
        say "left: $line" >&2
    done
    say "remove it with: scripts/aws/clean ${1:+--race $1 }--region $region" >&2
}
