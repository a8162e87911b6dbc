# Starts a function's external extensions, then its runtime, and stays until they have ended. Bash, for its `/dev/tcp`.
# Arguments: the extensions, `--`, the runtime's program and its arguments.
api=$AWS_LAMBDA_RUNTIME_API

# Tells the owner of this environment something, and waits for its answer.
tell() {
  exec 9<>"/dev/tcp/${api%:*}/${api##*:}" || return
  printf 'POST /aloft/%s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' "$1" >&9
  while read -r _ <&9; do :; done
  exec 9>&-
}

# Takes what extensions subscribed to, which waits at the owner, to where they listen: nothing else leads in here.
relay() {
  trap - TERM
  while exec 8<>"/dev/tcp/${api%:*}/${api##*:}"; do
    printf 'POST /aloft/telemetry HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' >&8
    port=
    while IFS= read -r line <&8 && [ "$line" != $'\r' ]; do
      case $line in port:*) port=${line#port: } port=${port%$'\r'} ;; esac
    done
    [ -n "$port" ] || return
    for _ in 1 2 3 4 5 6 7 8; do
      exec 7<>"/dev/tcp/127.0.0.1/$port" && break
      sleep 0.1
    done
    cat <&8 >&7
    read -r -t 2 _ <&7
    exec 7>&- 8>&-
  done 2>/dev/null
}

while [ "$1" != -- ]; do
  extension=$1
  shift
  tell "extensions/started/${extension##*/}"
  (
    trap - TERM
    unset _HANDLER AWS_EXECUTION_ENV AWS_LAMBDA_LOG_GROUP_NAME AWS_LAMBDA_LOG_STREAM_NAME AWS_XRAY_CONTEXT_MISSING
    unset LAMBDA_TASK_ROOT LAMBDA_RUNTIME_DIR
    # What an extension writes is marked as its own.
    "$extension" 2>&1 </dev/null | while IFS= read -r line || [ -n "$line" ]; do printf '\036%s\n' "$line"; done
    code=${PIPESTATUS[0]}
    tell "extensions/exited/${extension##*/}/$code"
  ) &
done
shift

relay &

# Answered when all of them have registered.
tell extensions/registered

"$@" &
runtime=$!
ending=
trap 'ending=1; kill -TERM $runtime 2>/dev/null' TERM
wait $runtime
code=$?
while kill -0 $runtime 2>/dev/null; do
  wait $runtime
  code=$?
done
# Answered when the extensions have had their time to end.
tell runtime/exited
trap - TERM
[ -z "$ending" ] && [ $code -gt 128 ] && kill -$((code - 128)) $$
exit $code
