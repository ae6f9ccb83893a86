# Bash completion for salt, salt-call, salt-key, salt-run and eventlisten. Source it, or put it into /etc/bash_completion.d.
_salt_options() {
  "$1" --help 2>/dev/null | grep -oE -- '(^|[ ,])--?[A-Za-z][A-Za-z0-9-]*' | tr -d ' ,' | sort -u
}
_salt_cached() {
  # One line a name; asked once an hour, as functions of a machine rarely change.
  local file="${XDG_CACHE_HOME:-$HOME/.cache}/brine-completion-$1"
  if [ ! -s "$file" ] || [ -n "$(find "$file" -mmin +60 2>/dev/null)" ]; then
    mkdir -p "${file%/*}"
    case $1 in
      functions) salt-call --local --out=newline_values_only sys.list_functions 2>/dev/null | tr -d ' -' ;;
      runners) salt-run -d 2>/dev/null | grep -oE '^[a-z_]+\.[a-z_]+' ;;
    esac > "$file"
  fi
  cat "$file"
}
_salt() {
  local word=${COMP_WORDS[COMP_CWORD]} program=${COMP_WORDS[0]##*/}
  COMPREPLY=()
  case $word in
    -*) COMPREPLY=($(compgen -W "$(_salt_options "$program")" -- "$word")); return ;;
  esac
  case $program in
    salt)
      if [ "$COMP_CWORD" -le 1 ]; then
        COMPREPLY=($(compgen -W "'*' $(salt-key -l acc --out=newline_values_only 2>/dev/null | tr -d ' ')" -- "$word"))
      else
        COMPREPLY=($(compgen -W "$(_salt_cached functions)" -- "$word"))
      fi ;;
    salt-call) COMPREPLY=($(compgen -W "$(_salt_cached functions)" -- "$word")) ;;
    salt-run) COMPREPLY=($(compgen -W "$(_salt_cached runners)" -- "$word")) ;;
    salt-key) COMPREPLY=($(compgen -W "$(ls /etc/salt/pki/master/minions_pre /etc/salt/pki/master/minions 2>/dev/null | grep -v :)" -- "$word")) ;;
  esac
}
complete -F _salt salt salt-call salt-run salt-key eventlisten
