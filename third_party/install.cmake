# The installed CMake package: find_package(lookback) gives lookback::lookback.
#
# Kernels and modules register themselves from file-level objects that no other file names. An
# ordinary static library would lose them, so users link the archive as a whole.

include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

add_library(lookback_archive STATIC ${lookback_library_objects})
set_target_properties(lookback_archive PROPERTIES OUTPUT_NAME lookback EXPORT_NAME archive)
add_library(lookback::archive ALIAS lookback_archive)
target_compile_features(lookback_archive PUBLIC cxx_std_20)
target_include_directories(lookback_archive INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/lookback>)
target_link_libraries(lookback_archive PUBLIC ${lookback_libraries})
target_link_options(lookback_archive INTERFACE ${lookback_link_options})

add_library(lookback_library INTERFACE)
set_target_properties(lookback_library PROPERTIES EXPORT_NAME lookback)
target_link_libraries(lookback_library INTERFACE $<LINK_LIBRARY:WHOLE_ARCHIVE,lookback::archive>)
add_library(lookback::lookback ALIAS lookback_library)

set(package_directory ${CMAKE_INSTALL_LIBDIR}/cmake/lookback)
set(package_targets lookback_archive lookback_library)
install(TARGETS ${package_targets} EXPORT lookback ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT lookback NAMESPACE lookback:: FILE lookback-targets.cmake
  DESTINATION ${package_directory})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/lookback-config.cmake.in
  ${CMAKE_CURRENT_BINARY_DIR}/lookback-config.cmake INSTALL_DESTINATION ${package_directory})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/lookback-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/lookback-config.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/lookback-config-version.cmake DESTINATION ${package_directory})
foreach(folder runtime kernels autograd nn ${lookback_reference_folder})
  get_filename_component(parent ${folder} DIRECTORY)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${folder}
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/lookback/${parent} FILES_MATCHING PATTERN *.h)
endforeach()
if(TARGET lookback)
  install(TARGETS lookback RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
