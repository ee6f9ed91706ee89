# Completion of withkey(1) in bash: withkey completions bash
#
# What a word could be is asked of withkey itself, which reads its own options for the answer (`withkey __complete`):
# there is no list here that could grow old. From COMMAND on, COMMAND's own completion is asked.

# Older ones, such as macOS has, lack what this is written with.
((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 403)) || return 0

_withkey() {
    local line piece gap i
    _withkey_alias "$1"

    # bash cuts words at `=` and `:`, withkey does not: the whole words up to the cursor, and where each begins.
    local -a words=() places=()
    line=${COMP_LINE:0:COMP_POINT}
    for ((i = 0; i <= COMP_CWORD; i++)); do
        if ((i < COMP_CWORD)); then
            piece=${COMP_WORDS[i]}
            gap=${line%%"$piece"*}
        else
            gap=${line%%[![:space:]]*}
            piece=${line#"$gap"}
        fi
        line=${line#"$gap$piece"}
        if [[ ${#words[@]} -gt 0 && ! $gap ]]; then
            words[-1]+=$piece
        else
            words+=("$piece")
            places+=("$i")
        fi
    done
    local last=${words[-1]} REPLY
    for i in "${!words[@]}"; do
        _withkey_unquote "${words[i]}"
        words[i]=$REPLY
    done

    local -a answer=()
    mapfile -t answer < <(command withkey __complete "${words[@]:1}" 2>/dev/null)
    COMPREPLY=()
    [[ ${#answer[@]} -gt 0 ]] || return
    local what=${answer[0]%% *} rest=${answer[0]#* }
    # What readline replaces begins behind the last of these.
    local kept=${rest##*["${COMP_WORDBREAKS//[!=:]/}"]}
    [[ $COMP_WORDBREAKS == *[=:]* ]] || kept=$rest
    [[ $last != *[\"\']* ]] || kept=
    case $what in
        command)
            if ((rest < ${#words[@]} - 1)); then
                # Its completion is looked up by its name.
                piece=${COMP_WORDS[places[rest]]}
                if [[ $piece == *[\"\']* ]]; then
                    COMP_LINE=${COMP_LINE/"$piece"/"${words[rest]}"}
                    ((COMP_POINT += ${#words[rest]} - ${#piece}))
                    COMP_WORDS[places[rest]]=${words[rest]}
                fi
                _withkey_delegate "${places[rest]}"
            else
                _withkey_programs "${words[-1]}"
                for piece in "${answer[@]:1}"; do
                    COMPREPLY+=("${piece%%$'\t'*}")
                done
            fi
            ;;
        words) _withkey_words "$kept" "${answer[@]:1}" ;;
        files | directories) _withkey_files "$what" "$kept" "${words[-1]#"$rest"}" ;;
    esac
}

# The words of an alias in the place of its name.
_withkey_alias() {
    local -a meant=()
    read -ra meant <<<"${BASH_ALIASES[$1]-}"
    [[ ${#meant[@]} -gt 0 && $COMP_LINE == "${COMP_WORDS[0]}"* ]] || return
    local text=${meant[*]}
    COMP_LINE=$text${COMP_LINE#"${COMP_WORDS[0]}"}
    ((COMP_POINT += ${#text} - ${#COMP_WORDS[0]}, COMP_CWORD += ${#meant[@]} - 1))
    COMP_WORDS=("${meant[@]}" "${COMP_WORDS[@]:1}")
}

# A word without its quotes, in REPLY. Nothing is expanded, so nothing is run.
_withkey_unquote() {
    REPLY=$1
    [[ $1 == *[\\\"\']* ]] || return
    local quote='' char i
    REPLY=
    for ((i = 0; i < ${#1}; i++)); do
        char=${1:i:1}
        case $quote$char in
            "'" | '"') quote=$char ;;
            "''" | '""') quote= ;;
            '\') REPLY+=${1:++i:1} ;;
            '"\')
                [[ ${1:i+1:1} != [\"\\\$\`] ]] || ((++i))
                REPLY+=${1:i:1}
                ;;
            *) REPLY+=$char ;;
        esac
    done
}

# Words of withkey's own. Where they are listed, each has its meaning beside it.
_withkey_words() {
    local kept=$1 line value meaning width=0
    shift
    for line; do
        value=${line%%$'\t'*}
        ((${#value} <= width)) || width=${#value}
    done
    compopt -o nosort 2>/dev/null
    for line; do
        value=${line%%$'\t'*} meaning=${line#*$'\t'}
        case $COMP_TYPE in
            # A listing: `?`, `!`, `@` in bash's manual.
            63 | 33 | 64)
                if [[ $# -gt 1 && $meaning ]]; then
                    printf -v value "%-${width}s  (%s)" "$value" "$meaning"
                    value=${value:0:${COLUMNS:-80}-1}
                fi
                ;;
        esac
        COMPREPLY+=("$kept$value")
    done
}

# Files, or directories alone, behind the letters of an option.
_withkey_files() {
    local kind=default letter=f
    [[ $1 == files ]] || kind=dirnames letter=d
    if [[ ! $2 ]]; then
        compopt -o "$kind"
        return
    fi
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -P "$2" "-$letter" -- "$3")
}

# Programs: what the shell itself would run of that name is nothing for withkey.
_withkey_programs() {
    local name
    local -A own=()
    [[ $1 != */* ]] || compopt -o filenames
    while read -r name; do
        own[$name]=1
    done < <(compgen -A function -abk -- "$1")
    while read -r name; do
        if [[ ${own[$name]-} != known ]] && { [[ ! ${own[$name]-} ]] || type -P -- "$name" >/dev/null; }; then
            COMPREPLY+=("$name")
        fi
        own[$name]=known
    done < <(compgen -c -- "$1")
}

# COMMAND's own completion; its first word is number $1.
_withkey_delegate() {
    if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset "$1"
        return
    elif declare -F _command_offset >/dev/null; then
        _command_offset "$1"
        return
    fi

    # The same without the package bash-completion.
    local i word spec option
    for ((i = 0; i < $1; i++)); do
        word=${COMP_LINE%%"${COMP_WORDS[i]}"*}${COMP_WORDS[i]}
        COMP_LINE=${COMP_LINE#"$word"}
        ((COMP_POINT -= ${#word}))
    done
    word=${COMP_LINE%%[![:space:]]*}
    COMP_LINE=${COMP_LINE#"$word"}
    ((COMP_POINT -= ${#word}, COMP_CWORD -= $1))
    COMP_WORDS=("${COMP_WORDS[@]:$1}")

    local command=${COMP_WORDS[0]} current=${COMP_WORDS[COMP_CWORD]}
    spec=$(complete -p -- "$command" 2>/dev/null || complete -p -- "${command##*/}" 2>/dev/null)
    if [[ ! $spec ]]; then
        compopt -o bashdefault -o default
        return
    fi
    option=$spec
    while [[ $option == *' -o '* ]]; do
        option=${option#* -o }
        compopt -o "${option%% *}"
    done
    if [[ $spec == *' -F '* ]]; then
        spec=${spec##* -F }
        "${spec%% *}" "$command" "$current" "${COMP_WORDS[COMP_CWORD - 1]}"
    else
        # A list of words or the like, quoted by bash itself; the command's name ends it.
        spec=${spec#complete }
        eval "mapfile -t COMPREPLY < <(compgen ${spec% *} -- \"\$current\" 2>/dev/null)"
    fi
}

complete -F _withkey withkey
# Aliases of withkey that are there already; one made later: complete -F _withkey NAME
for REPLY in "${!BASH_ALIASES[@]}"; do
    [[ ${BASH_ALIASES[$REPLY]} != withkey?( *) ]] || complete -F _withkey "$REPLY"
done
