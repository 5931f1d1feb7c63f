# Finds MPI: Open MPI and MPICH, either or both or none, each by its compiler wrapper, which knows
# where headers and libraries lie. For each that is there the module that lets a run go over several
# processes is built (runtime/communicator/mpi/); the program itself links none of it, and is complete
# without. Not by find_package(MPI), which settles for one implementation.

# Sets lookback_mpi_wrapper_NAME to the first of these programs that belongs to that implementation.
# Open MPI's wrappers alone know --showme:version.
function(lookback_find_mpi_wrapper name)
  foreach(program IN LISTS ARGN)
    find_program(lookback_${program} ${program} DOC "Compiler wrapper of an MPI implementation")
    mark_as_advanced(lookback_${program})
    if(lookback_${program})
      execute_process(COMMAND ${lookback_${program}} --showme:version RESULT_VARIABLE refused
        OUTPUT_QUIET ERROR_QUIET)
      if((refused AND name STREQUAL mpich) OR (NOT refused AND name STREQUAL openmpi))
        set(lookback_mpi_wrapper_${name} ${lookback_${program}} PARENT_SCOPE)
        return()
      endif()
    endif()
  endforeach()
endfunction()
lookback_find_mpi_wrapper(openmpi mpicc.openmpi mpicc)
lookback_find_mpi_wrapper(mpich mpicc.mpich mpicc)

# Beside the program, where it is looked for first; installed it is looked for in ../lib.
function(lookback_add_mpi_modules)
  foreach(name openmpi mpich)
    set(wrapper ${lookback_mpi_wrapper_${name}})
    if(NOT wrapper)
      continue()
    endif()
    execute_process(COMMAND ${wrapper} -show OUTPUT_VARIABLE command
      ERROR_QUIET)
    separate_arguments(arguments UNIX_COMMAND "${command}")
    set(includes ${arguments})
    list(FILTER includes INCLUDE REGEX "^-I.")
    list(TRANSFORM includes REPLACE "^-I" "")
    find_path(header mpi.h HINTS ${includes} NO_CACHE)
    if(NOT header)
      message(STATUS "${wrapper} is here, but not its mpi.h: no runs over several processes with it")
      unset(header)
      continue()
    endif()
    unset(header)
    set(links ${arguments})
    list(FILTER links INCLUDE REGEX "^-(L|l|Wl,).")
    set(module lookback_mpi_${name})
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/runtime/communicator/mpi/*.cpp)
    add_library(${module} MODULE ${sources})
    target_include_directories(${module} PRIVATE ${PROJECT_SOURCE_DIR})
    target_include_directories(${module} SYSTEM PRIVATE ${includes})
    # MPI's old functions for C++ would want a library of their own.
    target_compile_definitions(${module} PRIVATE OMPI_SKIP_MPICXX MPICH_SKIP_MPICXX)
    target_compile_options(${module} PRIVATE ${lookback_compile_options} -fvisibility=hidden)
    target_link_options(${module} PRIVATE ${lookback_link_options})
    target_link_libraries(${module} PRIVATE ${links})
    set_target_properties(${module} PROPERTIES PREFIX ""
      LIBRARY_OUTPUT_DIRECTORY ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
    install(TARGETS ${module} LIBRARY DESTINATION lib)
  endforeach()
endfunction()
