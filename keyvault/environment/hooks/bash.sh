# keyvault's hook for bash 3.2 and later. At each prompt it looks for the .keyvault.toml that applies here. It starts keyvault
# only where that has changed, to be told names and values; what was there before is kept here, and put back on leaving.
# All that it keeps is in arrays, which bash never exports, not even with `set -a`. Element 0 of the lists is not used.

if [ -z "${_keyvault_names+x}" ]; then
  _keyvault_folder=("") _keyvault_text=("") _keyvault_profile=("") _keyvault_again=("") _keyvault_locked=("") _keyvault_said=("")
  _keyvault_names=("") _keyvault_gave=("") _keyvault_kind=("") _keyvault_before=("")
  _keyvault_inherit=("${KEYVAULT_LOADED-}")
fi

function keyvault {
  _keyvault_again=1
  command keyvault "$@"
}

function _keyvault_hook {
  local _kv_status=$? _kv_trace=
  case $- in *x*) _kv_trace=1 && { set +x; } 2>/dev/null ;; esac # `set -x` would show values
  _keyvault_look || :
  [ -z "$_kv_trace" ] || set -x
  return "$_kv_status"
}

function _keyvault_look {
  local IFS=' ' _kv_found=.keyvault.toml _kv_folder _kv_text= _kv_plan _kv_code=0 _kv_here=
  local -a _kv_names=() _kv_values=() _kv_notes=()
  [ -z "$_keyvault_inherit" ] || _keyvault_take_over
  until [[ -e $_kv_found || -L $_kv_found ]]; do
    _kv_folder=${_kv_found%.keyvault.toml}
    if [[ $_kv_folder. -ef $_kv_folder.. || ! -e $_kv_folder.. ]]; then # the root, or a folder that is gone
      [ ${#_keyvault_names[@]} -eq 1 ] || _keyvault_apply
      _keyvault_folder= _keyvault_again= _keyvault_said=
      return
    fi
    _kv_found=../$_kv_found
  done
  _kv_folder=${_kv_found%.keyvault.toml}.
  if [ -f "$_kv_found" ]; then
    IFS= read -r -d '' -n 65537 _kv_text 2>/dev/null <"$_kv_found" || :
  fi
  if [ -n "$_keyvault_folder" ] && [ "$_kv_folder" -ef "$_keyvault_folder" ]; then
    _kv_here=1
    if [ -z "$_keyvault_again" ] && [ "$_kv_text" = "$_keyvault_text" ] && [ "${KEYVAULT_PROFILE-}" = "$_keyvault_profile" ]; then
      return
    fi
  else
    _keyvault_said=
  fi
  _keyvault_folder=$(builtin pwd -P)/$_kv_folder # PWD is out of date where a folder was renamed
  _keyvault_text=$_kv_text _keyvault_profile=${KEYVAULT_PROFILE-} _keyvault_again=
  _kv_plan=$(command @KEYVAULT@ hook bash --plan </dev/null) || _kv_code=$?
  eval "$_kv_plan"
  if [ "$_kv_code" -eq 0 ]; then
    _keyvault_locked=
  elif [ "$_kv_code" -eq 4 ] && [ -n "$_keyvault_locked" ]; then
    _kv_notes=()
  elif [ "$_kv_code" -eq 4 ]; then
    _keyvault_locked=1
  fi
  # what is loaded here stays where the program could not say more
  if [ "$_kv_code" -eq 0 ] || [ -z "$_kv_here" ]; then
    _keyvault_apply
  fi
  if [ ${#_kv_notes[@]} -gt 0 ] && [ "${_kv_notes[*]}" != "$_keyvault_said" ]; then
    _keyvault_said=${_kv_notes[*]}
    printf '%s\n' "${_kv_notes[@]}" >&2
  fi
}

# From what is loaded to _kv_names and _kv_values. What somebody changed by hand after it was loaded is left alone.
function _keyvault_apply {
  local _kv_i _kv_j _kv_name _kv_kind _kv_plus= _kv_minus= _kv_more=0 _kv_less=0
  local -a _kv_kept=("") _kv_gave=("") _kv_kinds=("") _kv_before=("") _kv_done=("")
  for ((_kv_j = 0; _kv_j < ${#_kv_names[@]}; _kv_j++)); do
    _kv_name=${_kv_names[_kv_j]}
    for ((_kv_i = ${#_keyvault_names[@]} - 1; _kv_i > 0; _kv_i--)); do
      [ "${_keyvault_names[_kv_i]}" != "$_kv_name" ] || break
    done
    if [ "$_kv_i" -gt 0 ]; then
      _kv_kept+=("$_kv_name")
      _kv_done[_kv_i]=1
      _kv_kinds+=("${_keyvault_kind[_kv_i]}") _kv_before+=("${_keyvault_before[_kv_i]}")
      if ! _keyvault_is_ours || [ "${_keyvault_gave[_kv_i]}" = "${_kv_values[_kv_j]}" ]; then
        _kv_gave+=("${_keyvault_gave[_kv_i]}")
        continue
      fi
    else
      _kv_kind=unset
      if [ -n "${!_kv_name+x}" ]; then
        _kv_kind=$(declare -p "$_kv_name" 2>/dev/null) _kv_kind=${_kv_kind#declare -} _kv_kind=${_kv_kind%% *}
      fi
      case $_kv_kind in
        unset) ;;
        *r*) continue ;; # read-only
      esac
      _kv_kept+=("$_kv_name") _kv_kinds+=("$_kv_kind") _kv_before+=("${!_kv_name-}")
    fi
    _kv_gave+=("${_kv_values[_kv_j]}")
    export "$_kv_name=${_kv_values[_kv_j]}"
    _kv_more=$((_kv_more + 1))
    [ "$_kv_more" -gt 8 ] || _kv_plus+=" $_kv_name"
  done
  for ((_kv_i = 1; _kv_i < ${#_keyvault_names[@]}; _kv_i++)); do
    _kv_name=${_keyvault_names[_kv_i]}
    if [ -n "${_kv_done[_kv_i]-}" ] || ! _keyvault_is_ours; then
      continue
    fi
    case ${_keyvault_kind[_kv_i]} in
      unset) unset -v "$_kv_name" ;;
      *x*) export "$_kv_name=${_keyvault_before[_kv_i]}" ;;
      *) export -n "$_kv_name=${_keyvault_before[_kv_i]}" ;;
    esac 2>/dev/null || continue # read-only
    _kv_less=$((_kv_less + 1))
    [ "$_kv_less" -gt 8 ] || _kv_minus+=" $_kv_name"
  done
  _keyvault_names=("${_kv_kept[@]}") _keyvault_gave=("${_kv_gave[@]}")
  _keyvault_kind=("${_kv_kinds[@]}") _keyvault_before=("${_kv_before[@]}")
  if [ ${#_keyvault_names[@]} -gt 1 ]; then
    export KEYVAULT_LOADED="${_keyvault_names[*]}"
  else
    unset -v KEYVAULT_LOADED
  fi
  [ "$_kv_less" -le 8 ] || _kv_minus+=" ..."
  [ "$_kv_more" -le 8 ] || _kv_plus+=" ..."
  [ "$_kv_less" -eq 0 ] || printf 'keyvault: -%d%s\n' "$_kv_less" "$_kv_minus" >&2
  [ "$_kv_more" -eq 0 ] || printf 'keyvault: +%d%s\n' "$_kv_more" "$_kv_plus" >&2
}

# Whether variable _kv_name still has the value that entry _kv_i gave it.
function _keyvault_is_ours {
  [ -n "${!_kv_name+x}" ] && [ "${!_kv_name}" = "${_keyvault_gave[_kv_i]}" ]
}

# A shell that was started from one with keys loaded knows their names alone: they count as unset before.
function _keyvault_take_over {
  local _kv_name
  for _kv_name in $_keyvault_inherit; do
    case $_kv_name in '' | [0-9]* | *[!A-Za-z0-9_]*) continue ;; esac
    if [ -n "${!_kv_name+x}" ]; then
      _keyvault_names+=("$_kv_name") _keyvault_gave+=("${!_kv_name}") _keyvault_kind+=(unset) _keyvault_before+=("")
    fi
  done
  _keyvault_inherit=
}

if [[ "${PROMPT_COMMAND[*]-}" != *_keyvault_hook* ]]; then
  # before 5.1 only the first element of an array counts, which is what a plain assignment means
  if [[ "$(declare -p PROMPT_COMMAND 2>/dev/null)" == "declare -a"* && BASH_VERSINFO[0]*100+BASH_VERSINFO[1] -ge 501 ]]; then
    PROMPT_COMMAND+=(_keyvault_hook)
  else
    PROMPT_COMMAND=${PROMPT_COMMAND:+$PROMPT_COMMAND$'\n'}_keyvault_hook
  fi
fi
