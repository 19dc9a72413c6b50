// The shell beside each script in its pod, modelled after runners/local/wrapper.ts: it is process 1 of the container,
// claims the execution, starts the script with its environment, passes a SIGTERM on and writes how the script ended.
//
// It is bash, which starts the script as the leader of its own group (`set -m`) without SIGINT ignored, and tells an
// exit code from a death by signal. Arguments: the execution's folder, the folder of its revision, `file` or `pipe`,
// the number of inputs, their paths, then bash's options.
//
// Files, all in the execution's folder: `claim` comes to be once, whoever asks first; `env` is read and deleted; `told`
// says that a SIGTERM came; `second` has a line for each that came second to the claim; `ended` and then `exit` are the
// last words. What the script has put in their places (to write into a FIFO would wait for ever) is deleted.
//
// A wrapper that is not process 1, as where a container shares its node's processes, signals nothing but the script's
// own group, and waits for nothing else that still writes. Whoever holds the logs is looked for only where somebody is
// left: on a node with thousands of processes that costs more than all the rest.
//
// Its variables begin with _ba_, so that none of the image's or the batch's is lost.

/** Exit code of one that came second to a claim: it has done nothing, and its end says nothing. */
export const secondCode = 125;
/** Prefix of variables from Secrets and ConfigMaps: they come over the agent's own and under the batch's. */
export const fromPrefix = "BATCH_AGENT_FROM_";
/** Variables that the pod's manifest sets for the wrapper alone. */
export const nodeVariable = "BATCH_AGENT_NODE";
export const podVariable = "BATCH_AGENT_POD";

/** Exit code of one that could not claim, for want of rights or of a disk that can be written. */
const unclaimedCode = 124;
/** Tenths of a second that what still writes the logs is waited for after the script's end. */
const outputWaitTenths = 20;
const now = '"${EPOCHREALTIME:-$EPOCHSECONDS}"';

export const wrapper = `set -m
_ba_folder=$1 _ba_revision=$2 _ba_output=$3 _ba_inputs=$4 _ba_script= _ba_how=
shift 4
_ba_is_there() {
  [ -e "$_ba_folder/$1" ] || [ -L "$_ba_folder/$1" ]
}
_ba_may_write() {
  [ -f "$_ba_folder/$1" ] && [ -w "$_ba_folder/$1" ] || ! _ba_is_there "$1"
}
_ba_second() {
  if _ba_may_write second; then echo "\${${podVariable}:--}" >>"$_ba_folder/second"; fi
  exit ${secondCode}
}
_ba_note() {
  _ba_may_write "$1" || rm -rf -- "$_ba_folder/$1"
  if _ba_may_write "$1"; then echo ${now} >"$_ba_folder/$1"; fi
}
if _ba_is_there claim; then _ba_second; fi
set -C
if ! {
  printf '%s %s %s\\n' ${now} "\${${nodeVariable}:--}" "\${${podVariable}:--}" >"$_ba_folder/claim"
} 2>/dev/null; then
  if _ba_is_there claim; then _ba_second; fi
  { echo "user $UID cannot write into $_ba_folder" >|/dev/termination-log; } 2>/dev/null
  exit ${unclaimedCode}
fi
set +C
exec 3>>"$_ba_folder/exit" 5>>"$_ba_folder/stdout.log" 6>>"$_ba_folder/stderr.log"
_ba_fail() {
  echo "batch-agent: $1" >&6
  _ba_note ended
  echo 126 >&3
  exit 126
}
exec 4<"$_ba_folder/env" || _ba_fail "its environment cannot be read"
rm -f "$_ba_folder/env"
cd "$_ba_revision" || _ba_fail "its revision cannot be entered"
if [ "$_ba_inputs" -eq 0 ]; then exec 9</dev/null
elif [ "$_ba_inputs" -eq 1 ] && [ -f "$1" ]; then exec 9<"$1"
else exec 9< <(exec cat -- "\${@:1:$_ba_inputs}" 2>/dev/null 3>&- 4>&- 5>&- 6>&-)
fi
shift "$_ba_inputs"
if [ "$_ba_output" = pipe ]; then
  exec 7> >(trap '' TERM INT; exec cat >&5 3>&- 4>&- 5>&- 6>&- 9<&-)
  exec 8> >(trap '' TERM INT; exec cat >&6 3>&- 4>&- 5>&- 6>&- 7>&- 9<&-)
else exec 7>&5 8>&6
fi
_ba_pass() {
  if [ $$ -eq 1 ]; then kill -TERM -- -1; kill -CONT -- -1
  elif [ -n "$_ba_script" ]; then kill -TERM -- "-$_ba_script"; kill -CONT -- "-$_ba_script"
  fi
}
_ba_is_anyone_left() {
  if [ "$_ba_output" = pipe ]; then return 0
  elif [ $$ -eq 1 ]; then set -- /proc/[0-9]*; [ $# -ne 1 ]
  else kill -0 -- "-$_ba_script"
  fi
}
trap '_ba_note told; _ba_pass' TERM
trap : HUP INT QUIT USR1 USR2 PIPE ALRM
trap '_ba_jobs=$(jobs); case $_ba_jobs in "" | *Running*) ;; *) _ba_how=\${_ba_jobs:0:27} ;; esac' CHLD
(
  trap - TERM HUP INT QUIT USR1 USR2 PIPE ALRM CHLD
  unset SHLVL OLDPWD ${nodeVariable} ${podVariable}
  while IFS= read -r -d '' _ba_pair && [ -n "$_ba_pair" ]; do export "$_ba_pair"; done <&4
  for _ba_name in "\${!${fromPrefix}@}"; do
    export "\${_ba_name#${fromPrefix}}=\${!_ba_name}"
    unset "$_ba_name"
  done
  _ba_pair=-
  while [ -n "$_ba_pair" ]; do
    if ! IFS= read -r -d '' _ba_pair; then
      echo "batch-agent: its environment is not whole" >&6
      exit 126
    fi
    [ -z "$_ba_pair" ] || export "$_ba_pair"
  done <&4
  exec bash "$@" ./script.sh <&9 >&7 2>&8 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9<&-
) &
_ba_script=$!
exec </dev/null >/dev/null 2>&1 4>&- 5>&- 6>&- 7>&- 8>&- 9<&-
[ ! -e "$_ba_folder/told" ] || _ba_pass
while kill -0 "$_ba_script"; do wait "$_ba_script"; done
wait "$_ba_script"
_ba_code=$?
trap - CHLD
_ba_note ended
for ((_ba_i = 0; _ba_i < ${outputWaitTenths}; _ba_i++)); do
  _ba_is_anyone_left || break
  ls -l /proc/[0-9]*/fd 2>/dev/null |
    grep -q -F -e "> $_ba_folder/stdout.log" -e "> $_ba_folder/stderr.log" || break
  sleep 0.1
done
case $_ba_how in
*" $_ba_code "* | "") echo "$_ba_code" >&3 ;;
*) if [ "$_ba_code" -gt 128 ]; then echo "signal $((_ba_code - 128))" >&3; else echo "$_ba_code" >&3; fi ;;
esac
exit "$_ba_code"
`;
