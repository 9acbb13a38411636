# keyvault's hook for zsh 5.1 and later. At each prompt it looks for the .keyvault.toml that applies here. It starts keyvault
# only where that has changed, to be told names and values; what was there before is kept here, and put back on leaving.
_keyvault_program=(@KEYVAULT@)

# In quotes, so that aliases and options of the shell change nothing: zsh runs these functions with its own defaults.
\builtin emulate -R zsh -o no_aliases -c '
if (( ! ${+_keyvault_names} )); then
  typeset -ga _keyvault_names
  typeset -gA _keyvault_gave _keyvault_kind _keyvault_before
  typeset -g +x _keyvault_folder= _keyvault_text= _keyvault_profile= _keyvault_again= _keyvault_locked= _keyvault_said=
  typeset -g +x _keyvault_inherit=${KEYVAULT_LOADED-}
  zmodload zsh/system 2>/dev/null
fi

function keyvault {
  typeset -g +x _keyvault_again=1
  command keyvault "$@"
}

function _keyvault_hook {
  local _kv_status=$?
  setopt local_options no_xtrace no_all_export no_err_exit no_err_return # tracing would show values
  _keyvault_look
  return $_kv_status
}

function _keyvault_look {
  local _kv_found=.keyvault.toml _kv_folder _kv_text _kv_plan _kv_code _kv_here
  local -a _kv_names _kv_values _kv_notes
  [[ -z $_keyvault_inherit ]] || _keyvault_take_over
  until [[ -e $_kv_found || -L $_kv_found ]]; do
    _kv_folder=${_kv_found%.keyvault.toml}
    if [[ $_kv_folder. -ef $_kv_folder.. || ! -e $_kv_folder.. ]]; then # the root, or a folder that is gone
      (( ! $#_keyvault_names )) || _keyvault_apply
      _keyvault_folder= _keyvault_again= _keyvault_said=
      return
    fi
    _kv_found=../$_kv_found
  done
  _kv_folder=${_kv_found%.keyvault.toml}.
  if [[ -f $_kv_found ]]; then
    if (( $+builtins[sysread] )); then
      sysread -s 65537 _kv_text 2>/dev/null <$_kv_found
    else
      _kv_text=$(<$_kv_found) 2>/dev/null
    fi
  fi
  if [[ -n $_keyvault_folder && $_kv_folder -ef $_keyvault_folder ]]; then
    _kv_here=1
    if [[ -z $_keyvault_again && $_kv_text == "$_keyvault_text" && ${KEYVAULT_PROFILE-} == "$_keyvault_profile" ]]; then
      return
    fi
  else
    _keyvault_said=
  fi
  _keyvault_folder=$(builtin pwd -P)/$_kv_folder # PWD is out of date where a folder was renamed
  _keyvault_text=$_kv_text _keyvault_profile=${KEYVAULT_PROFILE-} _keyvault_again=
  _kv_plan=$(command $_keyvault_program hook zsh --plan </dev/null)
  _kv_code=$?
  eval $_kv_plan
  if (( _kv_code == 0 )); then
    _keyvault_locked=
  elif (( _kv_code == 4 )) && [[ -n $_keyvault_locked ]]; then
    _kv_notes=()
  elif (( _kv_code == 4 )); then
    _keyvault_locked=1
  fi
  # what is loaded here stays where the program could not say more
  if (( _kv_code == 0 )) || [[ -z $_kv_here ]]; then
    _keyvault_apply
  fi
  if (( $#_kv_notes )) && [[ $_kv_notes != "$_keyvault_said" ]]; then
    _keyvault_said=$_kv_notes
    print -rlu2 -- $_kv_notes
  fi
}

# From what is loaded to _kv_names and _kv_values. What somebody changed by hand after it was loaded is left alone.
function _keyvault_apply {
  local _kv_name _kv_value _kv_i
  local -a _kv_plus _kv_minus _kv_kept
  for (( _kv_i = 1; _kv_i <= $#_kv_names; _kv_i++ )); do
    _kv_name=$_kv_names[_kv_i] _kv_value=$_kv_values[_kv_i]
    [[ ${(Pt)_kv_name} != *readonly* ]] || continue
    _kv_kept+=($_kv_name)
    if (( $+_keyvault_kind[$_kv_name] )); then
      [[ $_keyvault_gave[$_kv_name] != "$_kv_value" ]] && _keyvault_is_ours || continue
    else
      _keyvault_kind[$_kv_name]=${(Pt)_kv_name} _keyvault_before[$_kv_name]=${(P)_kv_name}
    fi
    _keyvault_gave[$_kv_name]=$_kv_value
    export "$_kv_name=$_kv_value"
    _kv_plus+=($_kv_name)
  done
  for _kv_name in ${_keyvault_names:|_kv_kept}; do
    if [[ ${(Pt)_kv_name} != *readonly* ]] && _keyvault_is_ours; then
      case $_keyvault_kind[$_kv_name] in
        "") unset $_kv_name ;;
        *export*) export "$_kv_name=$_keyvault_before[$_kv_name]" ;;
        *) typeset -g +x "$_kv_name=$_keyvault_before[$_kv_name]" ;;
      esac
      _kv_minus+=($_kv_name)
    fi
    unset "_keyvault_gave[$_kv_name]" "_keyvault_kind[$_kv_name]" "_keyvault_before[$_kv_name]"
  done
  _keyvault_names=($_kv_kept)
  if (( $#_kv_kept )); then
    export KEYVAULT_LOADED="$_kv_kept"
  else
    unset KEYVAULT_LOADED
  fi
  (( ! $#_kv_minus )) || print -ru2 -- "keyvault: -$#_kv_minus $_kv_minus[1,8]${_kv_minus[9]+ ...}"
  (( ! $#_kv_plus )) || print -ru2 -- "keyvault: +$#_kv_plus $_kv_plus[1,8]${_kv_plus[9]+ ...}"
}

# Whether variable _kv_name still has the value that it was given.
function _keyvault_is_ours {
  (( ${(P)+_kv_name} )) && [[ ${(P)_kv_name} == "$_keyvault_gave[$_kv_name]" ]]
}

# A shell that was started from one with keys loaded knows their names alone: they count as unset before.
function _keyvault_take_over {
  local _kv_name
  for _kv_name in ${=_keyvault_inherit}; do
    if [[ $_kv_name != [0-9]* && $_kv_name != *[^A-Za-z0-9_]* ]] && (( ${(P)+_kv_name} )); then
      _keyvault_names+=($_kv_name)
      _keyvault_gave[$_kv_name]=${(P)_kv_name} _keyvault_kind[$_kv_name]= _keyvault_before[$_kv_name]=
    fi
  done
  _keyvault_inherit=
}

typeset -ga precmd_functions
(( ${precmd_functions[(Ie)_keyvault_hook]} )) || precmd_functions+=(_keyvault_hook)
'
