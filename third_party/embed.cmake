# lookback_embed(OUTPUT NAMESPACE NAME=FILE[|FILE..]..): a source file that defines, in that
# namespace, one std::string_view for each NAME: the bytes of its files, joined. Made again when one
# of them changes.
function(lookback_embed output namespace)
  set(files "")
  foreach(entry IN LISTS ARGN)
    string(REGEX REPLACE "^[^=]*=" "" joined ${entry})
    string(REPLACE "|" ";" joined "${joined}")
    list(APPEND files ${joined})
  endforeach()
  string(REPLACE ";" "||" entries "${ARGN}")
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} "-DENTRIES=${entries}" -DNAMESPACE=${namespace} -DOUTPUT=${output}
      -P ${CMAKE_CURRENT_FUNCTION_LIST_FILE}
    DEPENDS ${files} ${CMAKE_CURRENT_FUNCTION_LIST_FILE}
    COMMENT "Embedding the report's page" VERBATIM)
endfunction()

# As a script, at build time: writes the source file.
if(CMAKE_SCRIPT_MODE_FILE AND DEFINED ENTRIES)
  set(source "#include <string_view>\n\nnamespace ${NAMESPACE} {\n")
  string(REPLACE "||" ";" entries "${ENTRIES}")
  foreach(entry IN LISTS entries)
    string(REGEX MATCH "^([^=]*)=(.*)$" matched "${entry}")
    set(name ${CMAKE_MATCH_1})
    string(REPLACE "|" ";" files "${CMAKE_MATCH_2}")
    set(bytes "")
    foreach(file IN LISTS files)
      file(READ ${file} hex HEX)
      string(APPEND bytes ${hex})
    endforeach()
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" bytes "${bytes}")
    string(LENGTH "${bytes}" length)
    math(EXPR length "${length} / 4")
    string(APPEND source "extern const std::string_view ${name};\n"
      "const std::string_view ${name}(\"${bytes}\", ${length});\n")
  endforeach()
  file(WRITE ${OUTPUT} "${source}}  // namespace ${NAMESPACE}\n")
endif()
