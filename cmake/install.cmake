# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` puts down: the program, the shipped models, the public headers and one
# shared library, rotor::rotor, that holds every module and shows none of the libraries within.
if(ROTOR_SANITIZE OR ROTOR_KERNELS_ONLY)
  return()
endif()
include(CMakePackageConfigHelpers)

get_property(modules GLOBAL PROPERTY ROTOR_LIBRARIES)
list(REMOVE_ITEM modules rotor_hub)  # the program and Python download, the library does not
list(TRANSFORM modules REPLACE "(.+)" "$<TARGET_OBJECTS:\\1>" OUTPUT_VARIABLE objects)
set(exports ${PROJECT_SOURCE_DIR}/cmake/exports.map)
add_library(librotor SHARED ${objects})
add_library(rotor::rotor ALIAS librotor)
set_target_properties(librotor PROPERTIES
  OUTPUT_NAME rotor EXPORT_NAME rotor LINKER_LANGUAGE CXX
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
  LINK_DEPENDS ${exports})
target_compile_features(librotor INTERFACE cxx_std_20)
target_include_directories(librotor INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(librotor PRIVATE ${modules})
target_link_options(librotor PRIVATE -Wl,--version-script=${exports} -Wl,-z,defs)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/rotor)
install(TARGETS librotor EXPORT rotorTargets)
install(EXPORT rotorTargets NAMESPACE rotor:: DESTINATION ${package} FILE rotorConfig.cmake)
write_basic_package_version_file(rotorConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/rotorConfigVersion.cmake DESTINATION ${package})
install(DIRECTORY include/rotor DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY models/ DESTINATION ${CMAKE_INSTALL_DATADIR}/rotor COMPONENT models
  FILES_MATCHING PATTERN "*.rotor" PATTERN "*.md")
if(ROTOR_LICENCES)  # a folder: the terms of libraries that are linked into the program itself
  install(DIRECTORY ${ROTOR_LICENCES}/ DESTINATION ${CMAKE_INSTALL_DATADIR}/rotor/licences
    COMPONENT models)
endif()
install(FILES LICENSE README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
